"""Run the service for half an hour at half load, with faults: ``python -m benchmarks.soak``.

Two workers create uploads, while complete uploads, listings and multipart uploads go to an S3 behind a proxy
that becomes slow or busy, or breaks connections. A worker is killed, and the identity provider changes its
key. Memory, file descriptors and latencies are sampled, and must stay flat. Results are ``soak.json`` and
``SOAK.md``; ``python -m benchmarks.plot_soak`` draws them. The exit status is 1 if a check fails.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import httpx
import uvloop

from benchmarks import flows, machine
from benchmarks.credentials import AUDIENCE, user
from benchmarks.judgement import Finding, judged, report
from benchmarks.process import memory
from benchmarks.s3_proxy import Fault, S3Proxy, s3_proxy
from benchmarks.served import Served, embedded_s3, serve
from benchmarks.steady import CONNECTIONS, Load, Provider
from uploadsvc.auth.jwks import COOLDOWN

PHASES: Final = ("none", "slow", "none", "busy", "none", "reset", "none", "kill", "none", "rotate")
"""Phases, in turn until the time is over. The first and the last one are quiet."""

LONGEST_PHASE: Final = 60.0
WORKERS: Final = 2

_CALIBRATION_SECONDS: Final = 4.0
_SAMPLES_A_PHASE: Final = 12
_FLOWS_AT_ONCE: Final = 2
_FLOW_PAUSE: Final = 0.2
_ERROR: Final = 500


@dataclass(slots=True, kw_only=True)
class Sample:
    """Measurements over a few seconds.

    Attributes:
        at: Seconds since the start.
        phase: The fault.
        memory: RSS in MB by worker.
        descriptors: Open file descriptors by worker.
        requests: Creations that were answered.
        failures: Creations without an answer, or answered with an error.
        p50: Milliseconds, like ``p99``.
        errors: Other calls that were answered with status 500, which must never happen.
    """

    at: float
    phase: str
    memory: Mapping[int, float]
    descriptors: Mapping[int, int]
    requests: int
    failures: int
    p50: float
    p99: float
    errors: int


@dataclass(slots=True)
class Others:
    """Complete uploads, listings and cancelled uploads beside the load."""

    port: int
    provider: Provider
    done: int = 0
    failed: int = 0
    errors: int = 0
    _kinds: tuple[flows.Flow, ...] = field(
        default=(flows.put, flows.post_form, flows.abandoned, flows.listing)
    )

    async def run(self, stopping: asyncio.Event) -> None:
        """Make them until told to stop. They may fail because of S3's faults, but never with a 500."""
        url = f"http://127.0.0.1:{self.port}"
        async with (
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as service,
            httpx.AsyncClient(trust_env=False, timeout=30) as s3,
        ):
            number = 0
            while not stopping.is_set():
                number += 1
                service.headers["Authorization"] = f"Bearer {self.provider.token(user(number % 10))}"
                try:
                    await self._kinds[number % len(self._kinds)](service, s3)
                    self.done += 1
                except httpx.HTTPStatusError as error:
                    self.failed += 1
                    ours = str(error.request.url).startswith(url)
                    self.errors += ours and error.response.status_code == _ERROR
                except httpx.HTTPError:
                    self.failed += 1
                await asyncio.sleep(_FLOW_PAUSE)


class Soak:
    """One run.

    Args:
        served: The service.
        proxy: Proxy in front of its S3.
        provider: Its identity provider.
        minutes: Duration.
    """

    def __init__(self, served: Served, proxy: S3Proxy, provider: Provider, minutes: float) -> None:
        self._served = served
        self._proxy = proxy
        self._provider = provider
        self._seconds = minutes * 60
        self._phase_seconds = min(LONGEST_PHASE, self._seconds / (len(PHASES) + 1))
        self._load = Load(served.port, provider)
        self._others = [Others(served.port, provider) for _ in range(_FLOWS_AT_ONCE)]
        self.rate = 0.0
        self.samples: list[Sample] = []

    async def run(self) -> None:
        """Send the load, inject faults and measure."""
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for one in self._others:
                group.create_task(one.run(stopping))
            await self._calibrate()
            loading = group.create_task(self._load.run(self.rate, stopping))
            await self._watch()
            stopping.set()
            await loading

    async def _calibrate(self) -> None:
        """Set the rate to half of what the service reaches beside the other calls."""
        over = asyncio.Event()
        loading = asyncio.create_task(self._load.run(inf, over))
        await asyncio.sleep(_CALIBRATION_SECONDS)
        self._load.take()
        await asyncio.sleep(_CALIBRATION_SECONDS)
        self.rate = len(self._load.take().latencies) / _CALIBRATION_SECONDS / 2
        over.set()
        await loading
        print(f"{self.rate:.0f} creations a second, half of what {CONNECTIONS} connections reach", flush=True)

    async def _watch(self) -> None:
        started, count = perf_counter(), round(self._seconds / self._phase_seconds)
        for number in range(count):
            # The last one is quiet.
            phase = "none" if number == count - 1 else PHASES[number % len(PHASES)]
            self._enter(phase)
            for sample in range(1, _SAMPLES_A_PHASE + 1):
                due = started + (number + sample / _SAMPLES_A_PHASE) * self._phase_seconds
                await asyncio.sleep(max(0.0, due - perf_counter()))
                self.samples.append(self._sample(perf_counter() - started, phase))
            self._show(phase)
        self._proxy.fault = "none"

    def _enter(self, phase: str) -> None:
        faults: Mapping[str, Fault] = {"slow": "slow", "busy": "busy", "reset": "reset"}
        self._proxy.fault = faults.get(phase, "none")
        if phase == "kill":
            # The youngest, so that one worker lives from the start to the end.
            with suppress(ProcessLookupError):
                os.kill(max(self._served.workers), signal.SIGKILL)
        elif phase == "rotate":
            # A worker that has just fetched the keys does not do so again at once.
            pause = max(0.0, self._provider.fetched_at + COOLDOWN + 1 - perf_counter())
            asyncio.get_running_loop().call_later(pause, self._rotate)

    def _rotate(self) -> None:
        self._provider.rotate()
        self._load.sign_in()

    def _sample(self, at: float, phase: str) -> Sample:
        found = self._load.take()
        figures = found.summary()
        errors = sum(one.errors for one in self._others)
        for one in self._others:
            one.errors = 0
        memories, descriptors = {}, {}
        for pid in self._served.workers:
            # One that was killed is gone.
            with suppress(OSError):
                memories[pid] = round(memory(pid)[0], 2)
                descriptors[pid] = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return Sample(
            at=round(at, 2),
            phase=phase,
            memory=memories,
            descriptors=descriptors,
            requests=figures["requests"],
            failures=found.failures,
            p50=round(figures["p50"], 3),
            p99=round(figures["p99"], 3),
            errors=errors,
        )

    def _show(self, phase: str) -> None:
        last = self.samples[-_SAMPLES_A_PHASE:]
        p99 = sorted(one.p99 for one in last)[len(last) // 2]
        failures, errors = sum(one.failures for one in last), sum(one.errors for one in last)
        held = ", ".join(f"{value:.0f}" for value in last[-1].memory.values())
        print(
            f"{last[-1].at:7.0f} s  {phase:<7} p99{p99:8.1f} ms  failed{failures:5}  500s{errors:4}"
            f"  RSS {held} MB  descriptors {sum(last[-1].descriptors.values())}",
            flush=True,
        )

    def facts(self) -> dict[str, Any]:
        """Return the facts of the report besides the samples."""
        return {
            "minutes": round(self._seconds / 60, 1),
            "rate": round(self.rate),
            "workers": WORKERS,
            "others": sum(one.done for one in self._others),
            "others_failed": sum(one.failed for one in self._others),
            "fetches_of_keys": self._provider.fetches,
            "machine": machine.describe(),
        }


async def soak(minutes: float) -> dict[str, Any]:
    """Run it; return facts and samples."""
    with tempfile.TemporaryDirectory(prefix="uploadsvc-bench-") as name:
        directory, provider = Path(name), Provider()
        async with (
            embedded_s3(directory / "s3") as endpoint_url,
            s3_proxy(endpoint_url) as proxy,
            await asyncio.start_server(provider.answer, "127.0.0.1", 0) as publishing,
        ):
            provider.url = f"http://127.0.0.1:{publishing.sockets[0].getsockname()[1]}/keys"
            more = {
                "UPLOADSVC_AUTH__JWT__SECRET": "",
                "UPLOADSVC_AUTH__JWT__JWKS_URL": provider.url,
                "UPLOADSVC_AUTH__JWT__AUDIENCE": AUDIENCE,
            }
            starting = serve(directory, proxy.url, workers=WORKERS, more=more)
            served = await asyncio.to_thread(starting.__enter__)
            try:
                run = Soak(served, proxy, provider, minutes)
                await run.run()
                return {**run.facts(), "samples": [asdict(one) for one in run.samples]}
            finally:
                proxy.fault = "none"
                await asyncio.to_thread(starting.__exit__, None, None, None)


def main() -> None:
    """Run, check and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="directory of the results")
    asked = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(soak(asked.minutes))
    findings: list[Finding] = judged(found)
    asked.output.mkdir(parents=True, exist_ok=True)
    (asked.output / "soak.json").write_text(json.dumps(found) + "\n", encoding="utf-8")
    (asked.output / "SOAK.md").write_text(report(found, findings), encoding="utf-8")
    for one in findings:
        print(f"{'ok' if one.good else 'NOT OK':<7} {one.title}: {one.found} (allowed: {one.allowed})")
    sys.exit(not all(one.good for one in findings))


if __name__ == "__main__":
    main()
