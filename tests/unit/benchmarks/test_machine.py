"""Tests for measuring again when the host takes CPU time."""

from itertools import count

import pytest
from benchmarks import machine


@pytest.mark.parametrize(
    ("stolen", "expected"),
    [
        pytest.param([0, 1], 1, id="undisturbed at once"),
        pytest.param([0, 9, 9, 10], 2, id="the second time"),
        pytest.param([0, 9, 9, 12, 12, 20], 2, id="never, so the least disturbed"),
    ],
)
def test_what_the_host_disturbs_is_measured_again(
    monkeypatch: pytest.MonkeyPatch, stolen: list[int], expected: int
) -> None:
    readings = iter(stolen)
    monkeypatch.setattr(machine, "_stolen", lambda: next(readings))
    numbers = count(1)
    assert machine.undisturbed(lambda: next(numbers), tries=3) == expected
    assert next(readings, None) is None
