"""SeaweedFS as an embedded, strict S3: one child process on 127.0.0.1 over one directory.

POSIX only, for its file locks. A directory holds ``data/`` (stored objects), ``s3.json`` (access keys),
``notification.toml`` (target of notifications), ``ports.json``, ``weed.log`` (of the latest start),
``run.lock`` and ``weed.lock``.
"""

import asyncio
import fcntl
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from uploadsvc.dev import weed
from uploadsvc.domain.credentials import Credentials

STOP_TIMEOUT: Final = 5.0
"""Seconds for SeaweedFS to stop; it needs about one."""

_POLL: Final = 0.05
_LOG_TAIL: Final = 15


class SeaweedFSError(Exception):
    """SeaweedFS is not installed, did not start, or its directory is in use, as the message says."""


@dataclass(frozen=True, slots=True)
class SeaweedFS:
    """A running SeaweedFS.

    Attributes:
        endpoint_url: Address of its S3.
        log_path: Its output since the start.
        pid: Its process id.
    """

    endpoint_url: str
    log_path: Path
    pid: int
    _exited: asyncio.Future[int] = field(repr=False)

    async def wait(self) -> int:
        """Wait for the process to end, and return its exit status."""
        return await asyncio.shield(self._exited)


@asynccontextmanager
async def run_seaweedfs(
    *,
    directory: Path,
    credentials: Credentials,
    identities: Mapping[str, Credentials] | None = None,
    push: weed.Push | None = None,
    extra_arguments: Sequence[str] = (),
    start_timeout: float = 30.0,
) -> AsyncIterator[SeaweedFS]:
    """Run SeaweedFS over a directory, and stop it at the end. Stored objects stay for the next run.

    Args:
        directory: Its own directory; created if missing.
        credentials: Its access key, with all rights.
        identities: More access keys, by name.
        push: Target of notifications about stored objects.
        extra_arguments: More flags of ``weed mini``.
        start_timeout: Seconds within which its S3 must answer.

    Yields:
        The running server.

    Raises:
        SeaweedFSError: SeaweedFS is not installed, did not start, or another process uses the directory.
    """
    try:
        binary = weed.find_weed()
    except weed.WeedNotFoundError as error:
        raise SeaweedFSError(str(error)) from error
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(_owned(directory))
        await _end_orphan(directory)
        weed.write_identities(directory / "s3.json", {"admin": credentials, **(identities or {})})
        weed.write_push(directory, push)
        ports = weed.free_ports(directory / "ports.json")
        stack.callback(weed.remove_sockets, ports)
        process = _spawn([str(binary), *_arguments(directory, ports), *extra_arguments], directory=directory)
        exited = asyncio.get_running_loop().run_in_executor(None, process.wait)
        stack.push_async_callback(_stop, process, exited)
        endpoint_url = f"http://127.0.0.1:{ports['s3']}"
        server = SeaweedFS(endpoint_url, directory / "weed.log", process.pid, exited)
        await _ready(server, port=ports["s3"], exited=exited, seconds=start_timeout)
        yield server


@contextmanager
def _owned(directory: Path) -> Iterator[Path]:
    directory = directory.resolve()
    (directory / "data").mkdir(parents=True, exist_ok=True)
    with (directory / "run.lock").open("w") as lock:
        if not _lock(lock):
            message = f"{directory} is in use by another uploadsvc; stop that one, or use another directory"
            raise SeaweedFSError(message)
        yield directory


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _end_orphan(directory: Path) -> None:
    """Stop a SeaweedFS whose parent was killed. It still holds ``weed.lock``, which contains its pid."""
    with (directory / "weed.lock").open("a+") as lock:
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            if _lock(lock):
                return
            lock.seek(0)
            if (pid := lock.read()).isdecimal():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal_number)
            for _ in range(int(STOP_TIMEOUT / _POLL)):
                if _lock(lock):
                    return
                await asyncio.sleep(_POLL)
    message = f"a SeaweedFS left over from an earlier run still uses {directory}, and could not be stopped"
    raise SeaweedFSError(message)


def _arguments(directory: Path, ports: Mapping[str, int]) -> list[str]:
    return weed.arguments(data=directory / "data", identities=directory / "s3.json", ports=ports)


def _spawn(command: Sequence[str], *, directory: Path) -> subprocess.Popen[bytes]:
    weed.forget_last_start(directory / "data")
    with (directory / "weed.log").open("wb") as log, (directory / "weed.lock").open("w") as lock:
        _lock(lock)
        process = subprocess.Popen(  # noqa: S603 - our own program and arguments
            command,
            cwd=directory,
            # An empty environment: weed reads settings and keys from it and from ~/.seaweedfs.
            env={"PATH": os.defpath, "HOME": str(directory)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Only the parent handles Ctrl-C; it stops this process cleanly.
            start_new_session=True,
            # The process inherits the lock, and holds it for as long as it lives.
            pass_fds=[lock.fileno()],
        )
        lock.write(str(process.pid))
    return process


async def _ready(server: SeaweedFS, *, port: int, exited: asyncio.Future[int], seconds: float) -> None:
    problem = f"did not answer within {seconds:g} s"
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not exited.done():
                # An unsigned `GET /` gets 403 once the keys are read.
                if await _status(port) == b"403":
                    return
                await asyncio.sleep(_POLL)
            problem = f"ended with status {exited.result()}"
    tail = "\n".join(server.log_path.read_text(errors="replace").splitlines()[-_LOG_TAIL:])
    message = f"SeaweedFS {problem}; its log {server.log_path} ends:\n{tail}"
    raise SeaweedFSError(message)


async def _status(port: int) -> bytes | None:
    """Return the status of ``GET /``, or ``None`` while nothing answers."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return None
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        line = await reader.readline()
    except OSError:
        return None
    finally:
        writer.close()
    return line[9:12]


async def _stop(process: subprocess.Popen[bytes], exited: asyncio.Future[int]) -> None:
    try:
        process.terminate()
        await asyncio.wait([exited], timeout=STOP_TIMEOUT)
    finally:
        # Leaves no process behind, even if this wait is cancelled.
        process.kill()
    await asyncio.shield(exited)
