"""Decide whether the measurements of a soak run are flat."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Final

Samples = Sequence[Mapping[str, Any]]

QUIET: Final = "none"
S3_FAULTS: Final = frozenset({"slow", "busy", "reset"})

_MEMORY_SHARE: Final = 1.05
_DESCRIPTORS_MORE: Final = 16
_P99_SHARE: Final = 1.5
_P99_LEAST: Final = 10.0
"""Milliseconds below which a difference is negligible."""

_LOST_BY_A_KILL: Final = 16
"""Requests lost with a killed worker: one per connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Result of one check.

    Attributes:
        title: What was checked.
        found: Measured value.
        allowed: Allowed value.
        good: Whether the measured value is allowed.
    """

    title: str
    found: str
    allowed: str
    good: bool


def judged(run: Mapping[str, Any]) -> list[Finding]:
    """Check a run: memory, descriptors and latencies must not have grown by its end."""
    samples: Samples = run["samples"]
    quiet = [one for one in samples if one["phase"] == QUIET]
    return [
        _memory(samples),
        _workers(quiet, run["workers"]),
        _descriptors(quiet),
        _latency(quiet),
        _latency_beside_faults(samples, quiet),
        _failures(samples),
        _errors(samples),
    ]


def _halves(samples: Samples, value: Callable[[Mapping[str, Any]], float]) -> tuple[float, float]:
    """Return the medians of the second and the last quarter. In the first, caches fill."""
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    return median(map(value, early)), median(map(value, late))


def _memory(samples: Samples) -> Finding:
    # Whatever JSON has made of the ids of processes.
    oldest = min({str(pid) for one in samples for pid in one["memory"]}, key=int)
    lived = [{str(pid): rss for pid, rss in one["memory"].items()} for one in samples]
    early, late = _halves([one for one in lived if oldest in one], lambda one: float(one[oldest]))
    return Finding(
        title="memory of the worker that lived through it all",
        found=f"{early:.1f} MB, then {late:.1f} MB",
        allowed=f"at most {_MEMORY_SHARE - 1:.0%} more",
        good=late <= early * _MEMORY_SHARE,
    )


def _workers(quiet: Samples, workers: int) -> Finding:
    # One that was killed may still be starting in the first sample after that.
    least = min(max(len(one["memory"]), len(then["memory"])) for one, then in pairwise(quiet))
    return Finding(
        title="workers while nothing is broken", found=str(least), allowed=str(workers), good=least == workers
    )


def _descriptors(quiet: Samples) -> Finding:
    early, late = _halves(quiet, lambda one: float(sum(one["descriptors"].values())))
    return Finding(
        title="file descriptors of all workers",
        found=f"{early:.0f}, then {late:.0f}",
        allowed=f"at most {_DESCRIPTORS_MORE} more",
        good=late <= early + _DESCRIPTORS_MORE,
    )


def _latency(quiet: Samples) -> Finding:
    early, late = _halves(quiet, lambda one: float(one["p99"]))
    return Finding(
        title="p99 while nothing is broken",
        found=f"{early:.1f} ms, then {late:.1f} ms",
        allowed=f"at most {_P99_SHARE} times as long, or {_P99_LEAST:.0f} ms",
        good=late <= max(early * _P99_SHARE, _P99_LEAST),
    )


def _latency_beside_faults(samples: Samples, quiet: Samples) -> Finding:
    calm = median(one["p99"] for one in quiet)
    faulty = median(one["p99"] for one in samples if one["phase"] in S3_FAULTS)
    return Finding(
        title="p99 of creations while S3 is slow, busy or breaks connections",
        found=f"{faulty:.1f} ms, and otherwise {calm:.1f} ms",
        allowed=f"at most {_P99_SHARE} times as long, or {_P99_LEAST:.0f} ms",
        good=faulty <= max(calm * _P99_SHARE, _P99_LEAST),
    )


def _failures(samples: Samples) -> Finding:
    kills = sum(one["phase"] == "kill" and before["phase"] != "kill" for before, one in pairwise(samples))
    allowed = kills * _LOST_BY_A_KILL
    lost = sum(one["failures"] for one in samples)
    elsewhere = sum(one["failures"] for one in samples if one["phase"] != "kill")
    total = sum(one["requests"] for one in samples)
    return Finding(
        title="creations that failed",
        found=f"{lost} of {total:,}, {elsewhere} of them while no worker was killed",
        allowed=f"{allowed}, and 0 of them",
        good=lost <= allowed and elsewhere == 0,
    )


def _errors(samples: Samples) -> Finding:
    errors = sum(one["errors"] for one in samples)
    return Finding(title="status 500", found=str(errors), allowed="0", good=errors == 0)


def report(run: Mapping[str, Any], findings: Sequence[Finding]) -> str:
    """Return the page about a run."""
    machine = run["machine"]
    rows = [f"| {one.title} | {one.found} | {one.allowed} | {_verdict(one)} |" for one in findings]
    return "\n".join(
        [
            "# Soak test",
            "",
            "Written by `make soak`. Two workers create uploads at half of the rate that they can reach, and",
            "whole uploads, listings and cancelled multipart uploads go to an S3 behind a proxy. In turn, S3",
            "takes 2 seconds for every answer, answers 503 `SlowDown`, or breaks every connection; a worker",
            "is killed, and the identity provider changes its key. Quiet times lie between.",
            "",
            f"- minutes: {run['minutes']}",
            f"- creations a second: {run['rate']:,}",
            f"- other calls: {run['others']:,}; {run['others_failed']:,} failed with S3",
            *(f"- {name}: {value}" for name, value in machine.items()),
            "",
            "![Memory, file descriptors and latencies](SOAK.png)",
            "",
            "| | found: first, then at the end | allowed | |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _verdict(finding: Finding) -> str:
    return "flat" if finding.good else "**not flat**"
