"""Benchmark the service and its peers: ``python -m benchmarks``, or ``--quick`` for ratios in about a minute.

The full run writes ``RESULTS.md`` and ``results.json`` beside this module. The quick run leaves out the peers
on Node.js, calls that query S3, latencies and uploads from a terminal. It compares its ratios with the
committed ones, and changes no file.
"""

import argparse
import asyncio
import signal
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from benchmarks import machine, runs, storage
from benchmarks.servers import KEY
from uploadsvc.dev.seaweedfs import run_seaweedfs


def _measure(directory: Path, endpoint_url: str, asked: argparse.Namespace) -> None:
    run = runs.Run(
        directory=directory,
        endpoint_url=endpoint_url,
        rounds=asked.rounds or (2 if asked.quick else 10),
        seconds=asked.seconds or 1,
    )
    if asked.quick:
        runs.quick(run)
    else:
        runs.whole(run, with_uploads=not asked.without_uploads)


@contextmanager
def _s3(directory: Path) -> Iterator[str]:
    """Run an embedded S3 with an empty bucket; yield its address.

    The measurement itself is not async, so that Ctrl-C stops it and all its servers.
    """
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            running = run_seaweedfs(directory=directory, credentials=KEY)
            s3 = runner.run(stack.enter_async_context(running))
            runner.run(storage.create_bucket(s3.endpoint_url))
            yield s3.endpoint_url
        finally:
            runner.run(stack.aclose())


def main() -> None:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="only compare ratios")
    parser.add_argument("--rounds", type=int, help="number of rounds (default: 10; quick: 2)")
    parser.add_argument("--seconds", type=int, help="seconds of each target in each round (default: 1)")
    parser.add_argument("--without-uploads", action="store_true", help="leave out uploads from a terminal")
    asked = parser.parse_args()
    # Handled like Ctrl-C, so that no server is left running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    machine.stay_off_the_server()
    with tempfile.TemporaryDirectory(prefix="uploadsvc-bench-") as name:
        directory = Path(name)
        with _s3(directory / "s3") as endpoint_url:
            _measure(directory, endpoint_url, asked)


if __name__ == "__main__":
    main()
