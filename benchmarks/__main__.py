"""Measure everything, alternating: ``python -m benchmarks``, or ``--quick`` for the ratios in about a minute.

The whole run writes ``RESULTS.md`` and ``results.json`` beside this module. The quick one leaves out the
peers on Node.js, calls that ask S3, latencies and uploads from a terminal. It compares its ratios with the
committed ones, and changes no file.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from benchmarks import machine, runs, storage
from benchmarks.servers import BUCKET, KEY
from uploadsvc.dev.seaweedfs import run_seaweedfs


async def _measure(directory: Path, asked: argparse.Namespace) -> None:
    async with run_seaweedfs(directory=directory / "s3", credentials=KEY) as s3:
        async with storage.client(s3.endpoint_url) as client:
            await client.create_bucket(Bucket=BUCKET)
        run = runs.Run(
            directory=directory,
            endpoint_url=s3.endpoint_url,
            rounds=asked.rounds or (2 if asked.quick else 5),
            seconds=asked.seconds or (1 if asked.quick else 2),
        )
        if asked.quick:
            await asyncio.to_thread(runs.quick, run)
        else:
            await asyncio.to_thread(runs.whole, run, with_uploads=not asked.without_uploads)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="only compare ratios")
    parser.add_argument("--rounds", type=int, help="how often all targets take turns (5; quick: 2)")
    parser.add_argument("--seconds", type=int, help="of each target in each round (2; quick: 1)")
    parser.add_argument("--without-uploads", action="store_true", help="leave out uploads from a terminal")
    asked = parser.parse_args()
    machine.stay_off_the_server()
    with tempfile.TemporaryDirectory(prefix="uploadsvc-bench-") as name:
        asyncio.run(_measure(Path(name), asked))


if __name__ == "__main__":
    main()
