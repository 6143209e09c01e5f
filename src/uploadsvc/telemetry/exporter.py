"""``GET /metrics`` on its own port, without the app, so that the parent of workers can serve it too."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Final, NamedTuple

from uploadsvc.telemetry import processes
from uploadsvc.telemetry.cells import Cells
from uploadsvc.telemetry.exposition import format_for, together, written
from uploadsvc.telemetry.metrics import Metrics

MAX_CONNECTIONS: Final = 16
"""Maximum number of connections. Another one closes the oldest that has sent no request."""

MAX_HEAD_BYTES: Final = 8192
REQUEST_SECONDS: Final = 5.0
"""Seconds for a request to arrive."""

ANSWER_SECONDS: Final = 10.0
"""Seconds for the client to read the response: Prometheus's default timeout of a scrape."""


class Source(NamedTuple):
    """A process whose metrics are exposed: worker number, pid, cells."""

    worker: str
    pid: int
    cells: Cells


class Exporter:
    """Serves scrapes.

    Args:
        metrics: Metrics of this process.
        name: Value of the label ``worker`` for this process.
        workers: Returns the other processes.
    """

    def __init__(
        self, metrics: Metrics, *, name: str, workers: Callable[[], Sequence[Source]] = tuple
    ) -> None:
        self._metrics = metrics
        self._name = name
        self._workers = workers
        self._definitions = metrics.definitions()
        self._processes = processes.Processes()
        self._answering: set[asyncio.Task[None]] = set()
        # Connections that have sent no request yet, oldest first.
        self._waiting: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def open(self, listener: socket.socket) -> AsyncIterator[None]:
        """Serve on a bound socket, and close it at the end."""
        server = await asyncio.start_server(self._accept, sock=listener, limit=MAX_HEAD_BYTES)
        try:
            yield
        finally:
            server.close()
            for task in list(self._answering):
                task.cancel()
            if self._answering:
                await asyncio.wait(self._answering)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._answering) >= MAX_CONNECTIONS and not self._close_oldest():
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._answering.add(task)
        self._waiting[task] = writer
        task.add_done_callback(self._forget)

    def _close_oldest(self) -> bool:
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            return False
        # Its task ends by that.
        self._waiting.pop(oldest).transport.abort()
        return True

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._answering.discard(task)
        self._waiting.pop(task, None)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await _head(reader)
            self._waiting.pop(asyncio.current_task(), None)  # type: ignore[arg-type] # it runs in a task
            answer = await self._answer(head)
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(answer)
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, EOFError):
            # The client is slow or gone; TimeoutError is an OSError.
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, head: str) -> bytes:
        line, *fields = head.split("\r\n")
        method, _, rest = line.partition(" ")
        target, _, protocol = rest.partition(" ")
        if not protocol.startswith("HTTP/1."):
            return _response(HTTPStatus.BAD_REQUEST, b"not a request of HTTP/1.1\n")
        if target.partition("?")[0] != "/metrics":
            return _response(HTTPStatus.NOT_FOUND, b"only /metrics is here\n")
        if method not in {"GET", "HEAD"}:
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET and HEAD\n", "Allow: GET, HEAD\r\n")
        accept = ",".join(
            value for name, _, value in (field.partition(":") for field in fields) if name.lower() == "accept"
        )
        media_type = format_for(accept)
        # One at a time: concurrent scrapes would only slow each other down.
        async with self._turn:
            body = await self._read(media_type)
        return _response(HTTPStatus.OK, body, media_type=media_type, without_body=method == "HEAD")

    async def _read(self, media_type: str) -> bytes:
        self._metrics.refresh()
        workers = self._workers()
        # Without an await between them, so that a worker that ends meanwhile is counted once.
        snapshots = [cells.snapshot() for cells in (self._metrics.cells, *(one.cells for one in workers))]
        running = [(self._name, os.getpid()), *((one.worker, one.pid) for one in workers)]
        # In a thread: with 10,000 connections, counting descriptors takes milliseconds.
        numbers = {
            **await together(self._definitions, snapshots),
            **await asyncio.to_thread(self._processes.read, running),
        }
        return await written({**self._definitions, **processes.DEFINITIONS}, numbers, media_type)


async def _head(reader: asyncio.StreamReader) -> str:
    """Return the head of a request, up to `MAX_HEAD_BYTES`, or the part of it that arrived."""
    with suppress(asyncio.LimitOverrunError):
        return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    return ""


def _response(
    status: HTTPStatus,
    body: bytes,
    fields: str = "",
    *,
    media_type: str = "text/plain; charset=utf-8",
    without_body: bool = False,
) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {media_type}\r\n"
        f"Content-Length: {len(body)}\r\n{fields}Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if without_body else body)
