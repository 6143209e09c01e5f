"""A stand-in for S3 that says what a test wants it to say."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate


@dataclass(frozen=True, slots=True, kw_only=True)
class Canned:
    """One answer.

    Attributes:
        status: The HTTP status.
        code: S3's error code, in an XML body; empty for no body.
        headers: Besides those that every answer has.
    """

    status: int
    code: str = ""
    headers: Sequence[tuple[str, str]] = ()

    def encode(self, *, with_body: bool) -> bytes:
        """Return the bytes of the answer; one to a HEAD has no body."""
        body = f"<Error><Code>{self.code}</Code><Message>Canned.</Message></Error>" if self.code else ""
        lines = [
            f"HTTP/1.1 {self.status} Canned",
            f"Date: {formatdate(usegmt=True)}",
            "Content-Type: application/xml",
            "x-amz-request-id: REQUEST-0001",
            f"Content-Length: {len(body) if with_body else 0}",
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + (body if with_body else "")).encode()


@dataclass(slots=True, kw_only=True)
class Stub:
    """A running stub: where it is, and what it was asked (``GET /bucket?…``)."""

    endpoint_url: str = ""
    requests: list[str] = field(default_factory=list)


@asynccontextmanager
async def stub_s3(answer: Canned | None) -> AsyncIterator[Stub]:
    """Listen on 127.0.0.1 and give every request this answer; ``None`` for none, ever."""
    stub = Stub()
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                request = head.decode("latin-1").split("\r\n", 1)[0].removesuffix(" HTTP/1.1")
                stub.requests.append(request)
                if answer is None:
                    await gone.wait()
                    return
                writer.write(answer.encode(with_body=not request.startswith("HEAD")))
                await writer.drain()
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
