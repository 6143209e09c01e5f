"""Measure all targets in turn, in rounds, so that other load on the machine affects them equally."""

import asyncio
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop

from benchmarks import loader
from benchmarks.load import CONNECTIONS, Sample, Target, encode, measure, write_requests
from benchmarks.machine import undisturbed

WARM_UP_SECONDS: Final = 1

_TRIES: Final = 2
"""Tries for each target in each round. Disturbances affect ratios by CPU less than latencies."""

_NOTHING: Final = "nothing"
_FLOOR: Final = "nothing, FastAPI alone"

Samples = Mapping[str, Sequence[Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Latencies at half load in milliseconds: medians of the rounds.

    Attributes:
        beside: The call that runs beside it.
        tails: In each round, the 99th percentile relative to the same server's median with nothing beside.
    """

    beside: str
    p50: float
    p90: float
    p99: float
    tails: Sequence[float]


def alternate(
    targets: Sequence[Target],
    directory: Path,
    *,
    rounds: int,
    seconds: int,
    warm: bool = True,
    also: Callable[[], None] | None = None,
) -> dict[str, list[Sample]]:
    """Load each target in each round.

    Args:
        targets: The targets.
        directory: Directory for their requests.
        rounds: Number of rounds.
        seconds: Seconds of each target in each round.
        warm: Load each target for a second first.
        also: Called at the end of each round.

    Raises:
        SystemExit: An answer is not as expected.
    """
    files = {}
    for target in targets:
        target.try_once()
        files[target.name] = write_requests(target, directory)
    samples: dict[str, list[Sample]] = {target.name: [] for target in targets}
    for target in targets if warm else ():
        measure(target, files[target.name], WARM_UP_SECONDS)
    for number in range(rounds):
        print(f"Round {number + 1} of {rounds}: {len(targets)} targets of {seconds} s", flush=True)
        for target in targets:
            samples[target.name].append(
                undisturbed(partial(measure, target, files[target.name], seconds), _TRIES)
            )
        if also:
            also()
    return samples


def half_load(
    target: Target, beside: Mapping[str, Target], floor: Target, *, rate: float, rounds: int, seconds: int
) -> list[Latency]:
    """Send requests at a steady rate: alone, then while another call is repeated on one more connection.

    Args:
        target: Receives requests at this rate.
        beside: The other calls by their title, one at a time.
        floor: Receives requests at the same rate in each round: the latency that Python, the load and the
            machine add.
        rate: Requests a second.
        rounds: Number of rounds; the figures are medians.
        seconds: Seconds for each call in each round.

    Raises:
        SystemExit: An answer was an error.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for title in (_NOTHING, *beside, _FLOOR):
            loaded = floor if title == _FLOOR else target
            summary = undisturbed(partial(_pace, loaded, beside.get(title), rate, seconds))
            found.setdefault(title, []).append(summary)

    def medians(title: str) -> list[float]:
        return [one["p50"] for one in found[_FLOOR if title == _FLOOR else _NOTHING]]

    return [
        Latency(
            beside=name,
            tails=[one["p99"] / alone for one, alone in zip(all_of_it, medians(name), strict=True)],
            **{share: statistics.median(one[share] for one in all_of_it) for share in ("p50", "p90", "p99")},
        )
        for name, all_of_it in found.items()
    ]


def _pace(target: Target, beside: Target | None, rate: float, seconds: int) -> dict[str, Any]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_paced(target, beside, rate, seconds))


async def _paced(target: Target, beside: Target | None, rate: float, seconds: int) -> dict[str, Any]:
    main = loader.paced(target.server.port, target.requests(), seconds, connections=CONNECTIONS, rate=rate)
    if beside is None:
        loads = [await main]
    else:
        # One request will do: encoding those of all users takes a while.
        path, headers, body = beside.calls[0]
        repeated = [encode(beside.method, path, headers, body)]
        gathered = await asyncio.gather(
            main, loader.closed(beside.server.port, repeated, seconds, connections=1)
        )
        loads = [*gathered]
    if any(load.failures for load in loads):
        message = f"{target.title}: requests failed at {rate:,.0f} a second"
        raise SystemExit(message)
    return loads[0].summary()
