"""Run the service in separate processes with an embedded S3, for benchmarks."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import aioboto3
import jwt

from benchmarks.servers import BUCKET, KEY, REGION, SECRET, free_port, s3_settings
from uploadsvc.dev.seaweedfs import run_seaweedfs

_START_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.01
_TICKS: Final = 100
"""Clock ticks per second in ``/proc/…/stat``: proc(5)."""


@asynccontextmanager
async def embedded_s3(directory: Path) -> AsyncIterator[str]:
    """Run an S3 with a bucket; yield its address."""
    async with run_seaweedfs(directory=directory, credentials=KEY) as s3:
        session = aioboto3.Session(KEY.access_key_id, KEY.secret_access_key, region_name=REGION)
        async with session.client("s3", endpoint_url=s3.endpoint_url) as client:
            await client.create_bucket(Bucket=BUCKET)
        yield s3.endpoint_url


def now() -> float:
    """Return the time in Unix seconds."""
    return datetime.now(UTC).timestamp()


def token() -> str:
    """Return a bearer token of a user, valid for a day."""
    ends = datetime.now(UTC) + timedelta(days=1)
    return jwt.encode({"sub": "bench", "exp": ends}, SECRET, algorithm="HS256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running service.

    Attributes:
        pid: Id of the process that was started.
        port: Its port on 127.0.0.1.
        alive: Seconds until ``/healthz`` answered 200.
        ready: Seconds until ``/readyz`` answered 200.
        cpu: CPU seconds of all its processes until then.
    """

    pid: int
    port: int
    alive: float
    ready: float
    cpu: float

    @property
    def workers(self) -> list[int]:
        """Ids of the processes that serve: its children, or itself."""
        return _children(self.pid) or [self.pid]


@contextmanager
def serve(
    directory: Path, endpoint_url: str, *, workers: int = 1, more: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """Run ``uploadsvc serve``; wait until it is ready, and stop it at the end.

    Args:
        directory: Directory of its log.
        endpoint_url: The S3.
        workers: Number of worker processes.
        more: Settings in addition to those of `settings`.
    """
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **settings(endpoint_url)}
    environment |= more or {}
    if "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    port = free_port()
    command = [sys.executable, "-m", "uploadsvc", "serve", "--port", str(port), "--workers", str(workers)]
    log_path = directory / f"serve-{port}.log"
    started = time.perf_counter()
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603 - our own
    try:
        alive = _wait_for(process, port, "/healthz", log_path) - started
        ready = _wait_for(process, port, "/readyz", log_path) - started
        cpu = sum(map(cpu_seconds, [process.pid, *_children(process.pid)]))
        yield Served(pid=process.pid, port=port, alive=alive, ready=ready, cpu=cpu)
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def settings(endpoint_url: str) -> Mapping[str, str]:
    """Return the settings of the service as environment variables."""
    return {
        **s3_settings(endpoint_url),
        "UPLOADSVC_AUTH__JWT__SECRET": SECRET,
        "UPLOADSVC_POLICIES": '{"default": {"max_size": "5TB"}}',
    }


def _wait_for(process: "subprocess.Popen[bytes]", port: int, path: str, log_path: Path) -> float:
    """Return the time at which a path answered 200."""
    latest = time.perf_counter() + _START_SECONDS
    while process.poll() is None and time.perf_counter() < latest:
        with suppress(OSError):
            if asyncio.run(_status(port, path)) == b"200":
                return time.perf_counter()
        time.sleep(_POLL_SECONDS)
    raise SystemExit(log_path.read_text(errors="replace"))


async def _status(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    try:
        return (await reader.readline())[9:12]
    finally:
        writer.close()


def _children(pid: int) -> list[int]:
    """Return the processes that a process started and that serve; Linux only."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    # multiprocessing also starts a process that tracks its semaphores.
    return [int(one) for one in found if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class Connection:
    """A keep-alive connection to the service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; return status and body of the answer."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        )
        return int(head[9:12]), await self._reader.readexactly(length)

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


async def connect(port: int) -> Connection:
    """Open a connection to the service."""
    return Connection(*await asyncio.open_connection("127.0.0.1", port, limit=16 * 1024 * 1024))


def request(method: str, path: str, *, bearer: str = "", body: bytes = b"") -> bytes:
    """Return a request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    if body:
        lines.append("Content-Type: application/json")
    if bearer:
        lines.append(f"Authorization: Bearer {bearer}")
    return "\r\n".join([*lines, "", ""]).encode() + body
