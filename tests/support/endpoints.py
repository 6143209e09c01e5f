"""A receiver of events that answers as a test says, byte by byte."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    """Return an answer."""
    lines = [f"HTTP/1.1 {status} As told", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass
class Received:
    """A request.

    Attributes:
        target: Path and query.
        headers: Headers, with names in lower case.
        body: Body.
    """

    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Endpoint:
    """A server on 127.0.0.1.

    Attributes:
        answers: What it answers to the next requests: bytes, or what to do with the connection. Without any
            it answers 204.
        requests: What it received.
        connections: Number of connections.
        arrived: Set at each request.
        port: Its port.
    """

    answers: list[Answer] = field(default_factory=list)
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @asynccontextmanager
    async def open(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["Endpoint"]:
        """Serve, and end with all connections."""
        tasks: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._serve(reader, writer))
            tasks.add(task)

        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append(Received(head[0].split(" ")[1], headers, body))
                self.arrived.set()
                reply = self.answers.pop(0) if self.answers else OK
                if not isinstance(reply, bytes):
                    await reply(writer)
                    return
                writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


async def hang(_writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def reset(writer: asyncio.StreamWriter) -> None:
    """Reset the connection."""
    writer.transport.abort()


async def slow_body(writer: asyncio.StreamWriter) -> None:
    """Answer 200, and never send the body."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1")
    await writer.drain()
    await asyncio.Event().wait()


async def endless_body(writer: asyncio.StreamWriter) -> None:
    """Answer 200, and send a body without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + bytes(4096) + b"\r\n")
        await writer.drain()


async def endless_headers(writer: asyncio.StreamWriter) -> None:
    """Answer with headers without end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: " + b"m" * 1000 + b"\r\n")
        await writer.drain()
