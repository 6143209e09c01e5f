"""The full run, which writes the results, and the quick run, which compares its results with them."""

import asyncio
import json
import os
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import machine, report, results, rounds, single, storage
from benchmarks.comparisons import COMPARISONS
from benchmarks.load import CONNECTIONS, wrk
from benchmarks.results import Ratio, Results, of_rounds
from benchmarks.rounds import Latency, Samples
from benchmarks.targets import stage

HALF_LOAD_ROUNDS: Final = 15
HALF_LOAD_SECONDS: Final = 1

_PEERS: Final = Path(__file__).parent / "peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Parameters of a run.

    Attributes:
        directory: Directory for logs and requests.
        endpoint_url: The embedded S3.
        rounds: Number of rounds.
        seconds: Seconds of each target in each round; whole, as wrk counts them.
    """

    directory: Path
    endpoint_url: str
    rounds: int
    seconds: int


def quick(run: Run) -> None:
    """Measure the ratios, and print them beside the committed ones."""
    with stage(run.directory, run.endpoint_url) as servers:
        targets = [
            *servers.own(),
            servers.bare(),
            servers.aioboto3(),
            *servers.many(),
            *servers.credentials(),
        ]
        samples = rounds.alternate(targets, run.directory, rounds=run.rounds, seconds=run.seconds, warm=False)
    _, signed = single.sign()
    found = {
        **results.ratios(COMPARISONS, targets, samples),
        "in_process": single.call_in_process(),
        **signed,
    }
    before = results.committed()
    print(report.compared(found, before.get("ratios", {})))
    if before and before["versions"]["load"] != (wrk() or "our own loader"):
        print(f"The committed ratios were measured with {before['versions']['load']}.")


def whole(run: Run, *, with_uploads: bool) -> None:
    """Measure everything, and write the results."""
    before = results.committed()
    # The machine's other load, read before this run adds its own.
    loaded = f"{os.getloadavg()[0]:.1f}"
    # First, because it needs more of the network than the rest.
    uploaded = single.upload() if with_uploads else {}
    others: dict[str, list[float]] = {}
    with stage(run.directory, run.endpoint_url) as servers:
        uploads = storage.upload(servers.main)
        asyncio.run(storage.fill(run.endpoint_url))
        many = servers.many()
        stored = servers.stored(uploads)
        bare = servers.bare()
        targets = [
            *servers.own(),
            bare,
            servers.aioboto3(),
            *servers.node_peers(),
            servers.two_workers(),
        ]
        targets += [*many, *servers.credentials(), *stored]

        def measure_aioboto3() -> None:
            for name, found in storage.aioboto3_microseconds(run.endpoint_url, uploads[0].key).items():
                others.setdefault(name, []).append(found)

        samples = rounds.alternate(
            targets, run.directory, rounds=run.rounds, seconds=run.seconds, also=measure_aioboto3
        )
        latencies = rounds.half_load(
            targets[0],
            {"a batch of 100": many[0], "a listing of 1,000": servers.listing("page", storage.PAGE)},
            bare,
            rate=statistics.median(sample.rate for sample in samples["put"]) / 2,
            rounds=HALF_LOAD_ROUNDS,
            seconds=HALF_LOAD_SECONDS,
        )
    medians, signed = single.sign()
    found = Results(
        machine=machine.describe(),
        versions=_versions(),
        how={
            "measured": datetime.now(UTC).date().isoformat(),
            "rounds": f"{run.rounds}, of {run.seconds} s for each target, {CONNECTIONS} connections",
            "load average before the start": loaded,
        },
        figures=results.figures(targets, samples),
        ratios={
            **results.ratios(COMPARISONS, targets, samples),
            "in_process": single.call_in_process(),
            **_asking(samples, others),
            **signed,
            **_tails(latencies),
        },
        latencies=latencies,
        signing=medians,
        uploads=uploaded,
    )
    found.write()
    report.PATH.write_text(report.markdown(found))
    print(report.compared(found.ratios, before.get("ratios", {})))


def _asking(samples: Samples, aioboto3: Mapping[str, Sequence[float]]) -> dict[str, Ratio]:
    """Return the CPU time of calls that query S3 relative to aioboto3's own call, round by round."""
    found = {}
    for name, title, call in (
        ("status_head", "CPU of GET /v1/uploads/{id} / of head_object", "head_object"),
        ("complete_head", "CPU of complete / of head_object", "head_object"),
        ("objects_head", "CPU of listing 100 objects / of head_object", "head_object"),
        ("objects_list", "CPU of listing 100 objects / of list_objects_v2", "list_objects_v2"),
    ):
        pairs = zip(samples[name.partition("_")[0]], aioboto3[call], strict=True)
        found[name] = of_rounds(title, "lower", [sample.cpu / other for sample, other in pairs])
    return found


def _tails(latencies: Sequence[Latency]) -> dict[str, Ratio]:
    names = ("tail_alone", "tail_batch", "tail_listing", "tail_bare")
    return {
        name: of_rounds(f"p99 beside {one.beside} / median alone, at half load", "lower", one.tails)
        for name, one in zip(names, latencies, strict=True)
    }


def _versions() -> dict[str, str]:
    lock = json.loads((_PEERS / "package-lock.json").read_text())["packages"]
    names = lock[""]["dependencies"]
    node = subprocess.run(["node", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S607
    return {
        **machine.versions(),
        "Node.js": node.strip().removeprefix("v"),
        **{name: lock[f"node_modules/{name}"]["version"] for name in names},
        "load": wrk() or "our own loader",
    }
