"""Write logs without blocking the service: a bounded queue and a writing thread."""

import atexit
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

MAX_BYTES: Final = 4 * 1024 * 1024
"""Bytes to buffer while nothing reads the logs. Further lines are dropped and counted."""

_GATHER_SECONDS: Final = 0.02
"""Seconds between two writes, so that the thread seldom interrupts the event loop."""

_ATOMIC_BYTES: Final = 4096
"""Bytes of an atomic write to a pipe (PIPE_BUF, pipe(7)). Longer writes of several processes could mix."""

_CLOSING_SECONDS: Final = 1.0

_AT_ONCE: Final = 64
"""Lines to take from the queue at once."""

_USUAL_BYTES: Final = 512
"""Assumed size of a line that is not formatted yet."""


class LogOutput:
    """A stream for log lines.

    Args:
        descriptor: File descriptor to write to.
        dropped: Formats the line that reports a number of dropped lines.
    """

    def __init__(self, descriptor: int, dropped: Callable[[int], str]) -> None:
        self._descriptor = descriptor
        # select.select fails for descriptors above 1023, which a program with many connections may have.
        self._writable = select.poll()
        self._writable.register(descriptor, select.POLLOUT)
        self._describe_dropped = dropped
        self._lock = threading.Lock()
        self._lines: deque[str | Callable[[], bytes]] = deque()
        self._size = 0
        self._dropped = 0
        self._dropped_in_all = 0
        self._closing = False
        self._waiting = threading.Event()
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def write(self, text: str) -> int:
        """Queue a line."""
        self._queue(text, len(text))
        return len(text)

    def write_later(self, line: Callable[[], bytes]) -> None:
        """Queue a line for the thread to format, because formatting many lines in a row takes less time."""
        self._queue(line, _USUAL_BYTES)

    def _queue(self, line: str | Callable[[], bytes], size: int) -> None:
        with self._lock:
            if self._size < MAX_BYTES:
                self._lines.append(line)
                self._size += size
            else:
                self._drop()
        if not self._waiting.is_set():
            self._waiting.set()

    def _drop(self) -> None:
        self._dropped += 1
        self._dropped_in_all += 1

    def dropped_lines(self) -> int:
        """Return the number of lines dropped since the start."""
        return self._dropped_in_all

    def flush(self) -> None:
        """Do nothing: the thread writes soon."""

    def isatty(self) -> bool:
        """Return whether the output is a terminal."""
        return os.isatty(self._descriptor)

    def close(self) -> None:
        """Write the remaining lines, unless nothing reads them."""
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
                # The reader is gone, so there is nowhere to report it.
                with self._lock:
                    self._lines.clear()
                    self._size = 0

    def _write_all(self) -> None:
        while self._lines:
            for batch in _batches(self._take()):
                left = batch
                while left:
                    try:
                        left = left[os.write(self._descriptor, left) :]
                    except BlockingIOError:
                        # Another program has made the descriptor non-blocking: wait for the reader.
                        self._writable.poll()

    def _take(self) -> list[bytes]:
        """Take some lines from the queue."""
        with self._lock:
            taken = [self._lines.popleft() for _ in range(min(len(self._lines), _AT_ONCE))]
            self._size -= sum(len(line) if isinstance(line, str) else _USUAL_BYTES for line in taken)
            if self._dropped:
                taken.append(self._describe_dropped(self._dropped))
                self._dropped = 0
        return [self._bytes(line) for line in taken]

    def _bytes(self, line: str | Callable[[], bytes]) -> bytes:
        try:
            return line.encode(errors="backslashreplace") if isinstance(line, str) else line()
        except Exception:  # noqa: BLE001 - the thread must not end, and a line of the log may hold anything
            with self._lock:
                self._drop()
            return b""


def _batches(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join whole lines that fit into one write."""
    batch = b""
    for line in lines:
        if batch and len(batch) + len(line) > _ATOMIC_BYTES:
            yield batch
            batch = b""
        batch += line
    yield batch
