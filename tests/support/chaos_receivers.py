"""Receivers of events that behave badly, on one port."""

import asyncio
import json
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final

_HEADER: Final = re.compile(rb"\r\n(content-length|webhook-id): *([^\r]*)", re.IGNORECASE)

NO_CONTENT: Final = "204 No Content\r\n"
_TROUBLES: Final = (
    "500 Oops\r\nContent-Length: 0\r\n",
    "429 Slow Down\r\nRetry-After: 1\r\nContent-Length: 0\r\n",
    "302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n",
    "reset",
    "hang",
)


class ChaosReceivers:
    """The receivers ``/good``, ``/flaky``, ``/hanging`` and ``/gone``.

    Attributes:
        port: The port.
        accepted: By receiver, the ids of the events that it answered with 2xx, by the object's key.
        latencies: Seconds from S3's event to its arrival at ``/good``.
        asked: Number of requests, by receiver.
    """

    def __init__(self) -> None:
        self.port = 0
        self.accepted: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.latencies: list[float] = []
        self.asked: Counter[str] = Counter()
        self._tries: Counter[tuple[str, str]] = Counter()
        self._closing = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        # Closing the server cancels it.
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                found = {name.lower(): value for name, value in _HEADER.findall(head)}
                body = await reader.readexactly(int(found[b"content-length"]))
                name = head.split(b" ", 2)[1].decode().strip("/")
                answer = self._answer(name, found[b"webhook-id"].decode())
                if answer == "hang":
                    await self._closing.wait()
                if answer in {"hang", "reset"}:
                    writer.transport.abort()
                    return
                if answer == NO_CONTENT:
                    self._accept(name, found[b"webhook-id"].decode(), body)
                writer.write(f"HTTP/1.1 {answer}\r\n".encode())
        writer.close()

    def _answer(self, name: str, event_id: str) -> str:
        self.asked[name] += 1
        self._tries[name, event_id] += 1
        number = self._tries[name, event_id]
        if name == "gone":
            return "410 Gone\r\nContent-Length: 0\r\n"
        if name == "hanging" and self.asked[name] <= 20:
            return "hang"
        if name == "flaky" and number <= 2:
            return _TROUBLES[(int(event_id[-6:], 16) + number) % len(_TROUBLES)]
        return NO_CONTENT

    def _accept(self, name: str, event_id: str, body: bytes) -> None:
        event = json.loads(body)
        key = event["data"]["object"]["key"]
        if name == "good" and not self.accepted[name][key]:
            sent = datetime.fromisoformat(event["timestamp"])
            self.latencies.append((datetime.now(UTC) - sent).total_seconds())
        self.accepted[name][key].add(event_id)

    def end(self) -> None:
        """Reset what hangs."""
        self._closing.set()


@asynccontextmanager
async def chaos_receivers() -> AsyncIterator[ChaosReceivers]:
    """Run the receivers."""
    receivers = ChaosReceivers()
    async with await asyncio.start_server(receivers.serve, "127.0.0.1", 0) as server:
        receivers.port = server.sockets[0].getsockname()[1]
        yield receivers
        receivers.end()
