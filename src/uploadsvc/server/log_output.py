"""Write logs without making the service wait: a bounded queue, and a thread that writes."""

import atexit
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

MAX_BYTES: Final = 4 * 1024 * 1024
"""Bytes to keep while nothing reads the logs. Further lines are dropped and counted."""

_GATHER_SECONDS: Final = 0.02
"""Seconds in which lines are gathered, so that the thread seldom interrupts the event loop."""

_ATOMIC_BYTES: Final = 4096
"""Bytes that a pipe takes at once (PIPE_BUF, pipe(7)). Longer writes of several processes would mix."""

_CLOSING_SECONDS: Final = 1.0


class LogOutput:
    """A stream for log lines.

    Args:
        descriptor: Where lines are written.
        dropped: Returns the line that reports a number of dropped lines.
    """

    def __init__(self, descriptor: int, dropped: Callable[[int], str]) -> None:
        self._descriptor = descriptor
        self._describe_dropped = dropped
        self._lock = threading.Lock()
        self._lines: deque[str] = deque()
        self._size = 0
        self._dropped = 0
        self._closing = False
        self._waiting = threading.Event()
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def write(self, text: str) -> int:
        """Queue a line, or a part of one."""
        with self._lock:
            if self._size < MAX_BYTES:
                self._lines.append(text)
                self._size += len(text)
            else:
                self._dropped += text.endswith("\n")
        if not self._waiting.is_set():
            self._waiting.set()
        return len(text)

    def flush(self) -> None:
        """Do nothing: the thread writes soon."""

    def isatty(self) -> bool:
        """Return whether the output is a terminal."""
        return os.isatty(self._descriptor)

    def close(self) -> None:
        """Write what is left, unless nothing reads it."""
        self._closing = True
        self._waiting.set()
        self._thread.join(_CLOSING_SECONDS)

    def _run(self) -> None:
        while not (self._closing and not self._lines):
            self._waiting.wait()
            if not self._closing:
                time.sleep(_GATHER_SECONDS)
            self._waiting.clear()
            try:
                self._write_all()
            except OSError:
                # The reader is gone. There is no other place to say so.
                with self._lock:
                    self._lines.clear()
                    self._size = 0

    def _write_all(self) -> None:
        while self._lines:
            batch = self._next_batch()
            while batch:
                batch = batch[os.write(self._descriptor, batch) :]

    def _next_batch(self) -> bytes:
        """Take whole lines that fit into one write."""
        taken: list[str] = []
        size = 0
        with self._lock:
            while self._lines and (not taken or size + len(self._lines[0]) <= _ATOMIC_BYTES):
                taken.append(self._lines.popleft())
                size += len(taken[-1])
            self._size -= size
            if self._dropped and taken and taken[-1].endswith("\n"):
                taken.append(self._describe_dropped(self._dropped))
                self._dropped = 0
        return "".join(taken).encode(errors="backslashreplace")
