"""Descriptors, rate-limited log lines, and pauses before a worker is replaced."""

import pytest
from structlog.testing import capture_logs

from uploadsvc.server.descriptors import refusable, within
from uploadsvc.server.occasions import PAUSE_SECONDS, Occasions
from uploadsvc.server.workers import pause_after
from uploadsvc.settings.server import ServerSettings


@pytest.mark.parametrize(
    ("descriptors", "most"),
    [(64, 32), (256, 128), (1024, 640), (10_383, 9999), (10_384, 10_000), (2**20, 10_000)],
)
def test_connections_leave_descriptors_for_others(descriptors: int, most: int) -> None:
    """If that is less than the setting, the log says what to do."""
    with capture_logs() as logs:
        assert within(ServerSettings(), descriptors).max_connections == most
    # Those that are being refused are open for seconds, as many as come.
    assert descriptors - most - refusable(descriptors) >= min(descriptors // 4, 256)
    assert [(line["event"], line["wanted"]) for line in logs] == [("connections_limited", 10_000)] * (
        most < 10_000
    )


def test_what_happens_often_is_logged_once_in_a_while() -> None:
    """With its number."""
    now = 0.0
    occasions = Occasions("crowd", clock=lambda: now)
    with capture_logs() as logs:
        for second in range(int(2 * PAUSE_SECONDS) + 1):
            now = float(second)
            for _ in range(100):
                occasions.add(most=3)
    assert [(line["event"], line["count"], line["most"]) for line in logs] == [
        ("crowd", 1, 3),
        ("crowd", 1000, 3),
        ("crowd", 1000, 3),
    ]


def test_a_worker_that_ends_in_a_loop_is_replaced_ever_later() -> None:
    """But the first time at once: a request waits for it."""
    assert [pause_after(failures) for failures in range(9)] == [0, 0, 1, 2, 4, 8, 16, 30, 30]
