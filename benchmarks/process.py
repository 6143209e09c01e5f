"""Measure import time, startup, memory of each worker and its growth, and how workers share connections.

Run it with ``python -m benchmarks.process``, on Linux. It starts the service over an embedded S3.
"""

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchmarks.served import Connection, Served, connect, cpu_seconds, embedded_s3, request, serve, token

ROUNDS: Final = 7
CONNECTIONS: Final = 16
WARM_UP: Final = 2_000
SHOWN_EVERY: Final = 100_000
"""Requests after which memory is shown, so that a long run is useful even if it is stopped."""

_COMMANDS: Final = {
    "uploadsvc --help": ["-m", "uploadsvc", "--help"],
    "import of the service": ["-c", "import uploadsvc.app, uploadsvc.server.runner"],
}


def cost_of(arguments: Sequence[str]) -> tuple[float, float]:
    """Return median CPU and wall seconds of a Python process."""
    used, walls = [], []
    for _ in range(ROUNDS):
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
        walls.append(time.perf_counter() - started)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(used), statistics.median(walls)


def memory(pid: int) -> tuple[float, float]:
    """Return RSS and PSS of a process in MB: proc(5), smaps_rollup."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    found = {line.split(":")[0]: int(line.split()[1]) / 1000 * 1.024 for line in lines}
    return found["Rss"], found["Pss"]


def open_sockets(pid: int) -> int:
    """Return the number of open sockets of a process."""
    found = 0
    for link in (Path("/proc") / str(pid) / "fd").iterdir():
        # One that is closed meanwhile is gone.
        with suppress(FileNotFoundError):
            found += str(link.readlink()).startswith("socket:")
    return found


async def load(connections: Sequence[Connection], count: int) -> None:
    """Create uploads over connections, each of which sends the next request after the answer to the last."""
    body = json.dumps({"filename": "photo.jpg", "content_type": "image/jpeg", "size": 123_456}).encode()
    create = request("POST", "/v1/uploads", bearer=token(), body=body)
    left = count

    async def run(connection: Connection) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            status, answer = await connection.send(create)
            if status != 201:  # noqa: PLR2004 - Created
                raise SystemExit(answer.decode())

    await asyncio.gather(*map(run, connections))


def show_memory(served: Served, moment: str) -> None:
    """Print the memory of all processes."""
    parent = [served.pid] if served.workers != [served.pid] else []
    for name, pids in (("worker", served.workers), ("parent", parent)):
        for pid in pids:
            rss, pss = memory(pid)
            print(f"  {name:<8}{moment:<24}RSS{rss:>8.1f} MB   PSS{pss:>8.1f} MB")


async def measure_workers(served: Served, count: int) -> None:
    """Print memory before and after requests, and each worker's share of the connections and of CPU time."""
    show_memory(served, "after the start")
    workers = served.workers
    before = [open_sockets(pid) for pid in workers]
    connections = [await connect(served.port) for _ in range(CONNECTIONS)]
    await load(connections, WARM_UP)
    shares = [open_sockets(pid) - held for pid, held in zip(workers, before, strict=True)]
    show_memory(served, f"after {WARM_UP:,} requests")
    used = [cpu_seconds(pid) for pid in workers]
    for done in range(0, count, SHOWN_EVERY):
        some = min(SHOWN_EVERY, count - done)
        await load(connections, some)
        show_memory(served, f"after {done + some:,} more")
    spent = [round(cpu_seconds(pid) - earlier, 2) for pid, earlier in zip(workers, used, strict=True)]
    print(f"  connections of each worker {shares}, CPU seconds of each {spent}")
    for connection in connections:
        await connection.close()


async def measure(directory: Path, *, count: int) -> None:
    """Print all figures of one and of two workers."""
    async with embedded_s3(directory / "s3") as endpoint_url:
        for number in (1, 2):
            starting = serve(directory, endpoint_url, workers=number)
            served = await asyncio.to_thread(starting.__enter__)
            try:
                print(
                    f"{number} worker(s): /healthz after {served.alive:.2f} s, /readyz {served.ready:.2f} s, "
                    f"CPU of all processes {served.cpu:.2f} s"
                )
                await measure_workers(served, count)
            finally:
                await asyncio.to_thread(starting.__exit__, None, None, None)


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--requests", type=int, default=20_000, help="requests after the warm-up; 500000 shows leaks"
    )
    asked = parser.parse_args()
    for name, arguments in _COMMANDS.items():
        used, wall = cost_of(arguments)
        print(f"{name:<24}{used:>6.2f} s CPU{wall:>8.2f} s")
    with tempfile.TemporaryDirectory(prefix="uploadsvc-bench-") as directory:
        asyncio.run(measure(Path(directory), count=asked.requests))


if __name__ == "__main__":
    main()
