"""Processes that the fork server starts, with the interface of `subprocess`."""

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from tests.support import fork_server

import uploadsvc

_STARTS_WITHIN: Final = 60.0
_PATHS: Final = (Path(uploadsvc.__file__).parents[1], Path(__file__).parents[2])


class Process(Protocol):
    """The part of `subprocess.Popen` that tests need."""

    pid: int

    @property
    def returncode(self) -> int | None:
        """The exit status, once it is known."""

    def poll(self) -> int | None:
        """Return the exit status if it has ended."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended."""

    def send_signal(self, sig: int) -> None:
        """Send it a signal, if it has not ended."""

    def kill(self) -> None:
        """Kill it."""


class Forked:
    """A process that the fork server started.

    Args:
        told: Where the server tells of it: a line with its number, and one with its exit status.
    """

    def __init__(self, told: int) -> None:
        self.pid = 0
        self._told = os.fdopen(told, "rb", buffering=0)
        self.returncode: int | None = None
        self.pid = self._number(_STARTS_WITHIN)

    def poll(self) -> int | None:
        """Return the exit status if it has ended."""
        if self.returncode is None and _readable(self._told, 0):
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return its exit status.

        Raises:
            subprocess.TimeoutExpired: It has not, within so many seconds.
        """
        if self.returncode is None:
            self.returncode = self._number(timeout)
            self._told.close()
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def _number(self, timeout: float | None) -> int:
        if not _readable(self._told, timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        line = bytearray()
        while not line.endswith(b"\n"):
            read = self._told.read(1)
            assert read, "the fork server has ended"
            line += read
        return int(line)


def fork(
    arguments: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    out: BinaryIO,
    err: BinaryIO,
    module: str = "uploadsvc",
) -> Forked:
    """Run a module with these arguments, in a process group of its own."""
    asked: fork_server.Request = {
        "module": module,
        "arguments": list(arguments),
        "directory": str(directory),
        "environment": dict(environment),
    }
    told, telling = os.pipe()
    try:
        socket.send_fds(_server(), [json.dumps(asked).encode()], [out.fileno(), err.fileno(), telling])
    finally:
        os.close(telling)
    return Forked(told)


@functools.cache
def _server() -> socket.socket:
    """Start the fork server; it ends with this process."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", fork_server.__file__, str(its.fileno())],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, _PATHS))},
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _readable(file: BinaryIO, timeout: float | None) -> bool:
    # select.select takes no descriptor above 1023, and a test may hold thousands of connections.
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(None if timeout is None else timeout * 1000))
