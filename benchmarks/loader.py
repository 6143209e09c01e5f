"""A small HTTP/1.1 load generator: as fast as the server answers, or at a steady rate.

wrk is faster, but has no rate limit.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final, cast

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"
_DRAIN_SECONDS: Final = 30.0


@dataclass(slots=True)
class Found:
    """Measurements of a load.

    Attributes:
        latencies: Seconds until each answer, from the time at which its request was due.
        failures: Answers that are not 2xx, and broken connections.
        seconds: Duration.
    """

    latencies: list[float] = field(default_factory=list)
    failures: int = 0
    seconds: float = 0.0

    def summary(self) -> dict[str, Any]:
        """Return the figures; latencies in milliseconds."""
        ordered = sorted(self.latencies) or [0.0]
        return {
            "requests": len(self.latencies),
            "seconds": self.seconds,
            "failures": self.failures,
            **{f"p{share}": ordered[len(ordered) * share // 100] * 1e3 for share in (50, 90, 99)},
        }


class Connection(asyncio.Protocol):
    """A connection with one request at a time.

    Args:
        found: Collects the measurements.
        on_idle: Called after each answer.
        on_lost: Called when the connection is closed.
    """

    def __init__(
        self,
        found: Found,
        on_idle: Callable[["Connection"], None],
        on_lost: Callable[["Connection"], None] | None = None,
    ) -> None:
        self._found = found
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._due: float | None = None
        self._buffer = bytearray()
        self._awaited: int | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a request that will not be answered."""
        del exc
        if self._due is not None:
            self._found.failures += 1
        if self._on_lost is not None:
            self._on_lost(self)

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due at a time of ``perf_counter``."""
        self._due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Read an answer."""
        self._buffer += data
        if self._awaited is None and not self._read_head():
            return
        complete = len(self._buffer) >= self._awaited if self._awaited else self._buffer.endswith(_LAST_CHUNK)
        if not complete or self._due is None:
            return
        self._found.latencies.append(time.perf_counter() - self._due)
        self._found.failures += self._buffer[9:10] != b"2"
        self._due, self._awaited = None, None
        self._buffer.clear()
        self._on_idle(self)

    def _read_head(self) -> bool:
        """Read the length of the answer; 0 if it is chunked."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        if length := _LENGTH.search(self._buffer, 0, end):
            self._awaited = end + 4 + int(length[1])
        else:
            self._awaited = 0 if _CHUNKED.search(self._buffer, 0, end) else end + 4
        return True


async def closed(port: int, requests: Sequence[bytes], seconds: float, *, connections: int) -> Found:
    """Send requests in turn; each connection sends the next one after the answer to the last."""
    found, following = Found(), cycle(requests)
    started = time.perf_counter()
    idle = asyncio.Semaphore(0)

    def on_idle(connection: Connection) -> None:
        now = time.perf_counter()
        if now - started < seconds:
            connection.send(next(following), now)
        else:
            idle.release()

    opened = await _open(port, found, on_idle, connections)
    started = time.perf_counter()
    for connection in opened:
        connection.send(next(following), started)
    try:
        async with asyncio.timeout(seconds + _DRAIN_SECONDS):
            for _ in opened:
                await idle.acquire()
    except TimeoutError:
        found.failures += 1
    found.seconds = time.perf_counter() - started
    _close(opened)
    return found


async def paced(
    port: int, requests: Sequence[bytes], seconds: float, *, connections: int, rate: float
) -> Found:
    """Send requests at a steady rate. The latency of a delayed request counts from when it was due."""
    found, following = Found(), cycle(requests)
    waiting: deque[float] = deque()
    free: list[Connection] = []
    over, all_free = False, asyncio.Event()

    def on_idle(connection: Connection) -> None:
        if waiting:
            connection.send(next(following), waiting.popleft())
        else:
            free.append(connection)
            if over and len(free) == connections:
                all_free.set()

    opened = await _open(port, found, on_idle, connections)
    free += opened
    started = time.perf_counter()
    for due in _times(started, rate, seconds):
        # The loop sleeps whole milliseconds, so what is due is sent in small groups.
        if (now := time.perf_counter()) < due:
            await asyncio.sleep(due - now)
            now = time.perf_counter()
        if free:
            free.pop().send(next(following), now)
        else:
            waiting.append(now)
            await asyncio.sleep(0)
    over = True
    if len(free) == connections:
        all_free.set()
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            await all_free.wait()
    except TimeoutError:
        found.failures += len(opened) - len(free)
    found.seconds = time.perf_counter() - started
    _close(opened)
    return found


def _times(started: float, rate: float, seconds: float) -> Iterator[float]:
    return (started + number / rate for number in range(int(rate * seconds)))


async def _open(
    port: int, found: Found, on_idle: Callable[[Connection], None], connections: int
) -> list[Connection]:
    loop = asyncio.get_running_loop()
    opened = []
    for _ in range(connections):
        _, connection = await loop.create_connection(lambda: Connection(found, on_idle), "127.0.0.1", port)
        opened.append(connection)
    return opened


def _close(opened: Sequence[Connection]) -> None:
    for connection in opened:
        connection.transport.close()
