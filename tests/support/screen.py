"""``uploadsvc`` on a terminal of its own, as a person sees it and types."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import uploadsvc

_WITHIN: Final = 60.0

# The child takes the terminal as its own, so that Ctrl-C reaches it.
_START: Final = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "uploadsvc", *sys.argv[1:]])
"""


class Screen:
    """A terminal of 80 columns, and the command that runs on it.

    Attributes:
        shown: Everything that the command has printed.
        status: Exit status, once it has ended.
    """

    def __init__(self, master: int, slave: int, process: "subprocess.Popen[bytes]") -> None:
        self._master = master
        self._slave = slave
        self._process = process
        self.shown = ""
        self._read = b""
        self.status: int | None = None

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    def until(self, text: str, *, hidden: bool | None = None) -> None:
        """Wait until something is shown and, if asked, until the terminal shows what is typed or not."""
        before = len(self.shown)
        deadline = time.monotonic() + _WITHIN
        while text not in self.shown[before:] or hidden not in {None, not self.echoes}:
            assert time.monotonic() < deadline, self.shown
            self._take(0.05)

    def type(self, text: str) -> None:
        """Type."""
        os.write(self._master, text.encode())

    def ended(self) -> int:
        """Wait for the end, and return the exit status."""
        deadline = time.monotonic() + _WITHIN
        while (status := self._process.poll()) is None:
            assert time.monotonic() < deadline, self.shown
            self._take(0.05)
        self._take(0)
        self.status = status
        return status

    def _take(self, seconds: float) -> None:
        while select.select([self._master], [], [], seconds)[0]:
            seconds = 0
            with suppress(OSError):
                self._read += os.read(self._master, 65536)
        self.shown = self._read.decode(errors="replace")


@contextmanager
def screen(*arguments: object, directory: Path, environment: Mapping[str, str]) -> Iterator[Screen]:
    """Run ``uploadsvc`` on a terminal, and kill what is left of it."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", _START, *map(str, arguments)],
        cwd=directory,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "TERM": "xterm",
            "NO_PROXY": "127.0.0.1",
            "PYTHONPATH": str(Path(uploadsvc.__file__).parents[1]),
            **environment,
        },
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    try:
        yield Screen(master, slave, process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(master)
        os.close(slave)
