"""A soak run is judged flat only if it is."""

from typing import Any

import pytest
from benchmarks.judgement import judged, report

PHASES = ("none", "slow", "none", "kill", "none", "rotate", "none")


def a_run(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a sample
    """Return a flat run, in which a killed worker takes three requests with it, with functions for fields."""
    samples = []
    for number in range(len(PHASES) * 4):
        phase = PHASES[number // 4]
        sample = {
            "at": number * 5.0,
            "phase": phase,
            "memory": {"100": 110.0 + number / 50, str(200 + number // 12): 80.0 + number % 12},
            "descriptors": {"100": 30, "201": 28},
            "requests": 1000,
            "failures": 3 * (phase == "kill" and number % 4 == 0),
            "p50": 1.0,
            "p99": 6.0,
            "errors": 0,
        }
        samples.append({**sample, **{name: make(number, phase) for name, make in changes.items()}})
    return {
        "minutes": 30,
        "workers": 2,
        "rate": 2000,
        "others": 100,
        "others_failed": 3,
        "machine": {"cores": "2"},
        "samples": samples,
    }


def test_a_flat_run_is_good() -> None:
    """Although a worker was killed, and its successor is smaller."""
    run = a_run()
    assert [one.title for one in judged(run) if not one.good] == []
    assert "not flat" not in report(run, judged(run))


@pytest.mark.parametrize(
    ("field", "make", "title"),
    [
        ("memory", lambda number, _: {"100": 110 + number, "201": 80}, "memory"),
        ("memory", lambda number, _: {"100": 110, "201": 80} if number < 20 else {"100": 110}, "workers"),
        ("descriptors", lambda number, _: {"100": 30 + 2 * number}, "descriptors"),
        ("p99", lambda number, _: 6 + number, "p99 while nothing"),
        ("p99", lambda _, phase: 600 if phase == "slow" else 6, "p99 of creations"),
        ("failures", lambda _, phase: 1 if phase == "slow" else 0, "failed"),
        ("failures", lambda _, phase: 5 if phase == "kill" else 0, "failed"),
        ("errors", lambda number, _: int(number == 7), "500"),
    ],
)
def test_what_is_not_flat_is_found(field: str, make: Any, title: str) -> None:  # noqa: ANN401 - a lambda
    """Each by itself."""
    run = a_run(**{field: make})
    bad = [one.title for one in judged(run) if not one.good]
    assert len(bad) == 1
    assert title in bad[0]
    assert "**not flat**" in report(run, judged(run))
