"""Counting, and merging the values of several processes."""

import math

import pytest

from uploadsvc.telemetry.cells import Cells
from uploadsvc.telemetry.families import Definition, merged
from uploadsvc.telemetry.metrics import Metrics


def _numbers(metrics: Metrics) -> dict[tuple[str, ...], list[float]]:
    return {(name, *labels): list(numbers) for name, labels, numbers in metrics.cells.snapshot()}


def test_counts_by_labels() -> None:
    metrics = Metrics()
    metrics.uploads_created.inc("default", "put")
    metrics.uploads_created.inc("default", "put")
    metrics.uploads_created.inc("avatars", "post")
    metrics.bytes_promised.add(5_000, "default")
    metrics.s3_call_duration.observe(0.005, "head_object", "ok")
    metrics.s3_call_duration.observe(11.0, "head_object", "ok")
    metrics.http_requests_in_progress.add(1)
    metrics.http_requests_in_progress.add(-1)

    numbers = _numbers(metrics)

    assert numbers["uploadsvc_uploads_created_total", "default", "put"] == [2]
    assert numbers["uploadsvc_uploads_created_total", "avatars", "post"] == [1]
    assert numbers["uploadsvc_bytes_promised_total", "default"] == [5_000]
    # A bucket holds what is as long as its end; the last but one what is longer than all ends.
    assert numbers["uploadsvc_s3_call_duration_seconds", "head_object", "ok"] == [1, *[0] * 13, 1, 11.005]
    assert numbers["uploadsvc_http_requests_in_progress",] == [0]


def test_refuses_other_labels_than_the_metric_has() -> None:
    with pytest.raises(ValueError, match="uploadsvc_uploads_created_total has the labels"):
        Metrics().uploads_created.inc("default")


def test_asks_for_followed_values_when_refreshed() -> None:
    metrics, tokens = Metrics(), list[str]()
    metrics.known_tokens.follow(lambda: len(tokens) or None)
    metrics.refresh()
    assert ("uploadsvc_known_tokens",) not in _numbers(metrics)

    tokens += ["one", "two"]
    metrics.refresh()
    assert _numbers(metrics)["uploadsvc_known_tokens",] == [2]

    tokens.clear()
    metrics.refresh()
    assert math.isnan(_numbers(metrics)["uploadsvc_known_tokens",][0])


def test_keeps_the_counts_of_a_process_that_has_ended() -> None:
    parent, worker = Metrics(), Metrics()
    parent.uploads_created.inc("default", "put")
    worker.uploads_created.inc("default", "put")
    worker.uploads_created.inc("avatars", "post")
    worker.s3_call_duration.observe(2.0, "head_object", "ok")
    worker.http_requests_in_progress.add(3)

    parent.absorb(worker.cells)
    parent.absorb(worker.cells)

    numbers = _numbers(parent)
    assert numbers["uploadsvc_uploads_created_total", "default", "put"] == [3]
    assert numbers["uploadsvc_uploads_created_total", "avatars", "post"] == [2]
    assert numbers["uploadsvc_s3_call_duration_seconds", "head_object", "ok"][-1] == 4
    assert ("uploadsvc_http_requests_in_progress",) not in numbers


@pytest.mark.parametrize(
    ("merge", "one", "other", "together"),
    [
        ("sum", 2, 3, 5),
        ("max", 2, 3, 3),
        ("min", 2, 3, 2),
        ("min", math.nan, 3, 3),
        ("sum", math.nan, math.nan, math.nan),
    ],
)
def test_merges_gauges_of_workers(merge: str, one: float, other: float, together: float) -> None:
    gauge = Definition("a", "A.", kind="gauge", merge=merge)  # type: ignore[arg-type]
    assert merged(gauge, [one], [other]) == pytest.approx([together], nan_ok=True)


def test_has_room_for_so_many_series_and_no_more() -> None:
    cells = Cells()
    metrics = Metrics(cells)
    for number in range(100_000):
        metrics.uploads_refused.inc("default", f"code-{number}")

    snapshot = cells.snapshot()

    assert len(snapshot.values) < len(cells.values)
    assert len(snapshot.series) < 70_000
    metrics.worker_restarts.inc()
    assert _numbers(metrics)["uploadsvc_worker_restarts_total",] == [1]
