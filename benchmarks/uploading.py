"""Upload one large file to a local S3 with ``uploadsvc upload``, the AWS command line and boto3.

Run it with ``python -m benchmarks.uploading``. It starts SeaweedFS and the service, installs awscli and
boto3 into a temporary environment, and removes everything at the end. Each client runs in its own process
with default settings. The figures are wall time, CPU time and peak memory of that process and its children.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aioboto3
import jwt

from benchmarks.servers import BUCKET, KEY, REGION, SECRET, s3_settings, service
from uploadsvc.dev.seaweedfs import SeaweedFS, run_seaweedfs

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

MIB: Final = 1024**2
OTHERS: Final = ("awscli", "boto3")

_BOTO3: Final = """
import sys, boto3
boto3.client("s3", endpoint_url=sys.argv[1]).upload_file(sys.argv[2], sys.argv[3], sys.argv[4])
"""
_WATCH: Final = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
wall, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Measurements of one upload.

    Attributes:
        wall: Wall time in seconds.
        cpu: CPU time in seconds, user and system.
        memory: Peak resident memory in MiB.
    """

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A way to upload: a command, and its environment."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]

    def measure(self) -> Figures:
        """Run a client once."""
        done = subprocess.run(  # noqa: S603 - our own commands
            [sys.executable, "-c", _WATCH, *self.command],
            env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", **self.environment},
            stdout=subprocess.PIPE,
            check=True,
        )
        found = json.loads(done.stdout)
        # Kilobytes on Linux, bytes on macOS: getrusage(2).
        unit = MIB if sys.platform == "darwin" else 1024
        return Figures(wall=found["wall"], cpu=found["cpu"], memory=found["memory"] / unit)


def clients(directory: Path, s3: SeaweedFS, url: str, path: Path) -> list[Client]:
    """Return all three clients; install awscli and boto3 first."""
    others = directory / "others"
    venv.create(others, with_pip=True)
    pip = [str(others / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *OTHERS]
    subprocess.run(pip, check=True)  # noqa: S603 - our own command
    aws = {
        "HOME": str(directory),
        "AWS_ACCESS_KEY_ID": KEY.access_key_id,
        "AWS_SECRET_ACCESS_KEY": KEY.secret_access_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    ends = datetime.now(UTC) + timedelta(days=1)
    token = jwt.encode({"sub": "bench", "exp": ends}, SECRET, algorithm="HS256")
    own = {"HOME": str(directory), "UPLOADSVC_URL": url, "UPLOADSVC_TOKEN": token}
    cp = ["s3", "cp", "--only-show-errors", "--endpoint-url", s3.endpoint_url]
    python = str(others / "bin" / "python")
    return [
        Client(
            name="uploadsvc",
            command=[sys.executable, "-m", "uploadsvc", "upload", str(path)],
            environment=own,
        ),
        Client(
            name="awscli",
            command=[str(others / "bin" / "aws"), *cp, str(path), f"s3://{BUCKET}/awscli.bin"],
            environment=aws,
        ),
        Client(
            name="boto3",
            command=[python, "-c", _BOTO3, s3.endpoint_url, str(path), BUCKET, "boto3.bin"],
            environment=aws,
        ),
    ]


def show(figures: Mapping[str, Sequence[Figures]]) -> None:
    """Print the medians."""
    print(f"{'median':<12}{'wall, s':>10}{'CPU, s':>10}{'memory, MiB':>14}")
    for name, found in figures.items():
        wall, cpu, memory = (
            statistics.median(getattr(one, what) for one in found) for what in ("wall", "cpu", "memory")
        )
        print(f"{name:<12}{wall:>10.2f}{cpu:>10.2f}{memory:>14.1f}")


async def measure(directory: Path, *, size: int, rounds: int) -> dict[str, list[Figures]]:
    """Upload with all three in each round, so that other load on the machine affects them equally."""
    path = directory / "file.bin"
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    async with run_seaweedfs(directory=directory / "s3", credentials=KEY) as s3:
        keys = {"aws_access_key_id": KEY.access_key_id, "aws_secret_access_key": KEY.secret_access_key}
        async with aioboto3.Session(**keys, region_name=REGION).client(
            "s3", endpoint_url=s3.endpoint_url
        ) as witness:
            await witness.create_bucket(Bucket=BUCKET)
            every = frozenset(os.sched_getaffinity(0))
            environment = {**s3_settings(s3.endpoint_url), "UPLOADSVC_AUTH__JWT__SECRET": SECRET}
            with service("serve", environment, directory=directory, cores=every) as api:
                contenders = await asyncio.to_thread(clients, directory, s3, api.url, path)
                figures: dict[str, list[Figures]] = {one.name: [] for one in contenders}
                for number in range(rounds + 1):
                    for one in contenders:
                        found = await asyncio.to_thread(one.measure)
                        # The first round warms the caches.
                        if number:
                            figures[one.name].append(found)
                    await empty(witness)
    return figures


async def empty(witness: "S3Client") -> None:
    """Delete all objects to free disk space."""
    listed = await witness.list_objects_v2(Bucket=BUCKET)
    for one in listed.get("Contents", ()):
        await witness.delete_object(Bucket=BUCKET, Key=one["Key"])


def main() -> None:
    """Measure, and print the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=512, help="size of the file in MiB")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="uploadsvc-bench-"))
    try:
        show(asyncio.run(measure(directory, size=asked.size * MIB, rounds=asked.rounds)))
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
