"""A proxy for an S3 on 127.0.0.1 that counts requests by operation, and can make S3 slow, busy or down.

It forwards bytes unchanged, including ``Host``, because requests are signed for the proxy's address.
"""

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit

Fault = Literal["none", "slow", "busy", "reset"]

SLOW_SECONDS: Final = 2.0

_BLOCK: Final = 64 * 1024
_MAX_HEAD: Final = 256 * 1024
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_BUSY_BODY: Final = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_BUSY: Final = b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % len(
    _BUSY_BODY
)

# By method and the first of these names in the query: "" for none, "key" for none but with a key.
_OPERATIONS: Final = {
    ("POST", "uploads"): "CreateMultipartUpload",
    ("PUT", "partNumber"): "UploadPart",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("GET", "uploadId"): "ListParts",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "uploads"): "ListMultipartUploads",
    ("GET", "list-type"): "ListObjectsV2",
    ("HEAD", "key"): "HeadObject",
    ("HEAD", ""): "HeadBucket",
    ("GET", "key"): "GetObject",
    ("PUT", "key"): "PutObject",
    ("POST", ""): "PostObject",
    ("DELETE", "key"): "DeleteObject",
}
_QUERIES: Final = ("uploads", "partNumber", "uploadId", "list-type")


def operation(method: str, target: str) -> str:
    """Return S3's name of a request; method and query if it is unknown."""
    url = urlsplit(target)
    query = parse_qs(url.query, keep_blank_values=True)
    named = [name for name in _QUERIES if name in query]
    has_key = "/" in url.path.strip("/")
    about = named[0] if named else "key" if has_key else ""
    return _OPERATIONS.get((method, about), f"{method} {sorted(query)}")


class S3Proxy:
    """A running proxy.

    Attributes:
        url: URL of the proxy.
        counts: Requests by operation.
        fault: What happens to each request.
    """

    def __init__(self, upstream: str) -> None:
        address = urlsplit(upstream)
        self._upstream = (address.hostname or "", address.port or 80)
        self.url = ""
        self.counts: Counter[str] = Counter()
        self.fault: Fault = "none"
        self._open: set[asyncio.Task[None]] = set()

    async def accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Serve a connection through a separate connection to S3."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs it as one
        self._open.add(task)
        upstream = None
        try:
            upstream = await asyncio.open_connection(*self._upstream, limit=_MAX_HEAD)
            while await self._exchange(reader, writer, *upstream):
                pass
        except (OSError, EOFError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._open.discard(task)
            writer.close()
            if upstream is not None:
                upstream[1].close()

    async def close(self) -> None:
        """Abort requests in progress."""
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _exchange(
        self, reader: StreamReader, writer: StreamWriter, source: StreamReader, sink: StreamWriter
    ) -> bool:
        """Serve a request; return whether another may follow."""
        with suppress(asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            self.counts[operation(method, target)] += 1
            if self.fault == "reset":
                writer.transport.abort()
                return False
            if self.fault == "busy":
                await _move(reader, None, _length(head))
                writer.write(_BUSY + (b"" if method == "HEAD" else _BUSY_BODY))
                await writer.drain()
                return True
            if self.fault == "slow":
                await asyncio.sleep(SLOW_SECONDS)
            sink.write(head)
            await _move(reader, sink, _length(head))
            await _answer(source, writer, has_body=method != "HEAD")
            return True
        return False


async def _answer(source: StreamReader, writer: StreamWriter, *, has_body: bool) -> None:
    head = await source.readuntil(b"\r\n\r\n")
    writer.write(head)
    if not has_body or head[9:12] in {b"204", b"304"}:
        await writer.drain()
    elif _CHUNKED.search(head):
        while True:
            size = await source.readuntil(b"\r\n")
            writer.write(size)
            await _move(source, writer, int(size.split(b";")[0], 16) + 2)
            if int(size.split(b";")[0], 16) == 0:
                return
    else:
        await _move(source, writer, _length(head))


async def _move(source: StreamReader, sink: StreamWriter | None, count: int) -> None:
    while count > 0:
        block = await source.read(min(count, _BLOCK))
        if not block:
            raise EOFError
        count -= len(block)
        if sink is not None:
            sink.write(block)
            await sink.drain()
    if sink is not None:
        await sink.drain()


def _length(head: bytes) -> int:
    found = _LENGTH.search(head)
    return int(found[1]) if found else 0


@asynccontextmanager
async def s3_proxy(upstream: str) -> AsyncIterator[S3Proxy]:
    """Run a proxy on a port of 127.0.0.1.

    Args:
        upstream: URL of S3, such as ``http://127.0.0.1:8333``.
    """
    proxy = S3Proxy(upstream)
    accept: Callable[[StreamReader, StreamWriter], Coroutine[None, None, None]] = proxy.accept
    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=_MAX_HEAD)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
        await server.wait_closed()
