"""A stub of S3 with scripted responses."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Final, TypeAlias

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canned:
    """One answer.

    Attributes:
        status: The HTTP status.
        code: S3's error code, in an XML body; empty for no such body.
        body: XML, where it says no error.
        content_type: Its media type.
        length: The bytes of the body that a HEAD speaks of.
        headers: Besides those that every answer has.
        date: In place of now.
        ours: Whether it has S3's own header.
    """

    status: int
    code: str = ""
    body: str = ""
    content_type: str = "application/xml"
    length: int = 0
    headers: Sequence[tuple[str, str]] = ()
    date: str = ""
    ours: bool = True

    def encode(self, *, with_body: bool) -> bytes:
        """Return the bytes of the answer; one to a HEAD has no body."""
        body = self.body
        if self.code:
            body = f"<Error><Code>{self.code}</Code><Message>Canned.</Message></Error>"
        lines = [
            f"HTTP/1.1 {self.status} Canned",
            f"Date: {self.date or formatdate(usegmt=True)}",
            f"Content-Type: {self.content_type}",
            *(["x-amz-request-id: REQUEST-0001"] if self.ours else []),
            f"Content-Length: {len(body.encode()) if with_body else self.length}",
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + (body if with_body else "")).encode()


Script: TypeAlias = Callable[[str], Awaitable[Canned | None]]
"""Chooses the answer to a request (``GET /bucket?…``), at once or late."""


@dataclass(slots=True, kw_only=True)
class Stub:
    """A running stub: where it is, what it was asked (``GET /bucket?…``), and with which headers."""

    endpoint_url: str = ""
    requests: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)


@asynccontextmanager
async def stub_s3(answer: Canned | Script | None) -> AsyncIterator[Stub]:
    """Listen on 127.0.0.1 and give every request this answer; ``None`` for none, ever.

    Args:
        answer: The answer, or what chooses one by the request's line.
    """
    stub = Stub()
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, _, headers = head.decode("latin-1").partition("\r\n")
                request = line.removesuffix(" HTTP/1.1")
                length = _LENGTH.search(head)
                await reader.readexactly(int(length[1]) if length else 0)
                stub.requests.append(request)
                stub.headers.append(headers)
                chosen = await answer(request) if callable(answer) else answer
                if chosen is None:
                    await gone.wait()
                    return
                writer.write(chosen.encode(with_body=not request.startswith("HEAD")))
                await writer.drain()
                if b"\r\nconnection: close\r\n" in head.lower():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    stub.endpoint_url = f"http://{host}:{port}"
    try:
        yield stub
    finally:
        gone.set()
        server.close()
        await server.wait_closed()
