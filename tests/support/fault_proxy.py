"""A proxy before an S3, or before the service, that does what bad lines and busy servers do.

It forwards bytes as they are, the ``Host`` header too: the address that was signed is the proxy's own.
"""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlsplit

_BLOCK: Final = 64 * 1024
_MAX_HEAD: Final = 256 * 1024
_WAIT: Final = 30.0


@dataclass(slots=True, kw_only=True, eq=False)
class Exchange:
    """One request and what became of it.

    Attributes:
        method: In capitals.
        target: Path and query, as sent.
        headers: By lower-case name.
        fault: What was done to it, if anything.
        sent: Bytes of its body that were forwarded so far.
        status: What the client was answered; 0 when it was not.
        over: Whether nothing more will happen.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    fault: "Fault | None" = None
    sent: int = 0
    status: int = 0
    over: bool = False

    @property
    def part_number(self) -> int | None:
        """Of which part of a multipart upload it is, if of any."""
        values = parse_qs(urlsplit(self.target).query).get("partNumber")
        return int(values[0]) if values else None

    @property
    def length(self) -> int:
        """The bytes that its body is to have."""
        return int(self.headers.get("content-length", "0"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer it, once its body has been read, and forward nothing."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    readable: bool = True
    """Whether it lets pages of other origins read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Forward so many bytes of its body, then break the connection."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """Forward it all, and break the connection instead of answering."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutAnswer:
    """Forward it all, and so many bytes of the answer, then break the connection."""

    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Forward so many bytes of its body, and the rest once the event is set."""

    until: asyncio.Event
    after: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Forward nothing until the event is set, and then all."""

    until: asyncio.Event


Fault = Answer | Cut | LoseAnswer | CutAnswer | Hold | Silence
Rule = Callable[[Exchange], Fault | None]


def s3_error(status: int, code: str, message: str) -> Answer:
    """Return an error as S3 words it."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status=status, body=body.encode(), headers={"Content-Type": "application/xml"})


SLOW_DOWN: Final = s3_error(503, "SlowDown", "Please reduce your request rate.")
EXPIRED: Final = s3_error(403, "AccessDenied", "Request has expired")
"""https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""


class FaultProxy:
    """A running proxy.

    Attributes:
        url: Where it listens.
        exchanges: All requests, in the order in which they came.
        rule: Decides for each, but preflights, what is done to it; ``None`` leaves it alone.
        preflights: What is done to preflights.
    """

    def __init__(self, upstream: str) -> None:
        address = urlsplit(upstream)
        self._upstream = (address.hostname or "", address.port or 80)
        self.url = ""
        self.exchanges: list[Exchange] = []
        self.rule: Rule = lambda _: None
        self.preflights: Fault | None = None
        self._changed = asyncio.Condition()
        self._open: set[asyncio.Task[None]] = set()

    def sent(self, method: str = "PUT") -> list[Exchange]:
        """Return the requests of a method."""
        return [one for one in self.exchanges if one.method == method]

    def stored_parts(self) -> list[int]:
        """Return the number of each part that the server took, in order, once for each time."""
        took = [one for one in self.sent() if one.status == 200]
        return sorted(one.part_number for one in took if one.part_number is not None)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds of the exchanges.

        Raises:
            TimeoutError: It does not come to hold.
        """
        async with asyncio.timeout(_WAIT), self._changed:
            await self._changed.wait_for(condition)

    async def break_connections(self) -> None:
        """Break off whatever is under way."""
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Serve one connection; it carries one request."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._open.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return  # browsers open connections that they then do not need
        exchange, forwarded = _parsed(head)
        # A browser's preflight says nothing of the request that it asks for.
        exchange.fault = self.preflights if exchange.method == "OPTIONS" else self.rule(exchange)
        self.exchanges.append(exchange)
        await self._tell()
        try:
            match exchange.fault:
                case Answer() as answer:
                    await _discard(reader, exchange.length)
                    await _write(writer, _rendered(answer, exchange))
                    exchange.status = answer.status
                case Silence() as silence:
                    await silence.until.wait()
                    await self._forward(exchange, forwarded, reader, writer)
                case Cut(after=0):
                    writer.transport.abort()
                case _:
                    await self._forward(exchange, forwarded, reader, writer)
        finally:
            exchange.over = True
            await asyncio.shield(self._tell())

    async def _forward(
        self, exchange: Exchange, head: bytes, reader: StreamReader, writer: StreamWriter
    ) -> None:
        upstream, sink = await asyncio.open_connection(*self._upstream)
        try:
            await _write(sink, head)
            sending = asyncio.create_task(self._send_body(exchange, reader, sink))
            answering = asyncio.create_task(self._answer(exchange, upstream, writer))
            try:
                await asyncio.wait({sending, answering}, return_when=asyncio.FIRST_COMPLETED)
                if sending.done() and not sending.result():
                    writer.transport.abort()
                    return
                await answering
                if exchange.status:
                    # An answer may come before the body's end; a client that still sends would not read it.
                    await sending
                else:
                    writer.transport.abort()
            finally:
                for task in (sending, answering):
                    task.cancel()
                await asyncio.gather(sending, answering, return_exceptions=True)
        finally:
            sink.transport.abort()

    async def _send_body(self, exchange: Exchange, reader: StreamReader, sink: StreamWriter) -> bool:
        """Forward the body, and tell whether the connection goes on."""
        fault = exchange.fault
        limit = fault.after if isinstance(fault, Cut | Hold) else exchange.length
        await self._pipe(exchange, reader, sink, limit)
        if isinstance(fault, Cut):
            return False
        if isinstance(fault, Hold):
            await fault.until.wait()
            await self._pipe(exchange, reader, sink, exchange.length)
        return True

    async def _pipe(self, exchange: Exchange, reader: StreamReader, sink: StreamWriter, limit: int) -> None:
        broken = False
        while exchange.sent < min(limit, exchange.length):
            block = await reader.read(min(_BLOCK, limit - exchange.sent))
            if not block:
                raise EOFError
            exchange.sent += len(block)
            try:
                if not broken:
                    await _write(sink, block)
            except OSError:
                broken = True  # it has answered, and reads no more
            await self._tell()

    async def _answer(self, exchange: Exchange, upstream: StreamReader, writer: StreamWriter) -> None:
        lost = isinstance(exchange.fault, LoseAnswer)
        while block := await upstream.read(_BLOCK):
            if isinstance(exchange.fault, CutAnswer):
                await _write(writer, block[: exchange.fault.after])
                return
            if not lost:
                exchange.status = exchange.status or int(block.split(b" ", 2)[1])
                await _write(writer, block)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def fault_proxy(upstream: str) -> AsyncIterator[FaultProxy]:
    """Run a proxy on a port of 127.0.0.1.

    Args:
        upstream: Where it forwards to, such as ``http://127.0.0.1:8333``.
    """
    proxy = FaultProxy(upstream)
    accept: Callable[[StreamReader, StreamWriter], Coroutine[None, None, None]] = proxy.accept
    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=_MAX_HEAD)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.break_connections()
        await server.wait_closed()


def _parsed(head: bytes) -> tuple[Exchange, bytes]:
    """Read a request's head; return it too as it is forwarded, for a connection of its own."""
    lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = lines[0].split(" ")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines[1:])
    }
    kept = [line for line in lines if not line.lower().startswith(("connection:", "keep-alive:"))]
    forwarded = "\r\n".join([*kept, "Connection: close", "", ""]).encode("latin-1")
    return Exchange(method=method, target=target, headers=headers), forwarded


def _rendered(answer: Answer, exchange: Exchange) -> bytes:
    headers = {
        **answer.headers,
        "Content-Length": str(len(answer.body)),
        "Connection": "close",
    }
    if answer.readable and "origin" in exchange.headers:
        # A browser lets a page of another origin read it only so.
        headers["Access-Control-Allow-Origin"] = exchange.headers["origin"]
        headers["Access-Control-Expose-Headers"] = "ETag, Retry-After"
    lines = [f"HTTP/1.1 {answer.status} {answer.status}", *(f"{n}: {v}" for n, v in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (b"" if exchange.method == "HEAD" else answer.body)


async def _discard(reader: StreamReader, length: int) -> None:
    while length > 0:
        block = await reader.read(min(_BLOCK, length))
        if not block:
            raise EOFError
        length -= len(block)


async def _write(writer: StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
