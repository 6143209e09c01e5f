"""Requests that are too large, too slow, or ask for another protocol."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from structlog.testing import capture_logs
from tests.support.api import s3_that_is_down
from tests.support.connections import PATIENCE, Address, answers, problem, serving
from tests.support.service import settings_for

from uploadsvc.app import create_app
from uploadsvc.server import http
from uploadsvc.server.refusals import MAX_PIPELINED
from uploadsvc.settings import Settings

CHUNKED = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def echo_app() -> FastAPI:
    """Return the service, with a route that says what it received."""
    settings = settings_for(s3_that_is_down(), auth={"trusted_proxies": ["127.0.0.0/8"]})
    app = create_app(Settings.model_validate(settings))

    @app.post("/echo")
    async def echo(request: Request) -> dict[str, Any]:
        return {"body": (await request.body()).decode(), "headers": list(request.headers)}

    @app.post("/early")
    async def early(request: Request) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"early"
            yield await request.body()

        return StreamingResponse(pieces())

    return app


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Address]:
    """Run the server; give its address."""
    async with serving(echo_app()) as address:
        yield address


def endless(start: bytes, piece: bytes) -> Iterable[bytes]:
    """Yield a request that has no end: 64 GiB pass for that."""
    yield start
    for _ in range(2**36 // len(piece)):
        yield piece


@pytest.mark.parametrize(
    ("request_", "client"),
    [
        (b"GET /\x00 HTTP/1.1\r\n\r\n", "127.0.0.1"),
        (
            b"GET / HTTP/1.1\r\nX-Forwarded-For: 192.0.2.66, 198.51.100.7\r\nHost: a\r\nA B: a\r\n\r\n",
            "198.51.100.7",
        ),
        (
            CHUNKED.replace(b"Host: a", b"X-Forwarded-For: 198.51.100.7") + b"no\r\n",
            "198.51.100.7",
        ),
    ],
)
async def test_a_refused_request_is_logged_with_its_client(
    server: Address, request_: bytes, client: str
) -> None:
    """The proxies of the settings name it, as far as its headers have arrived."""
    with capture_logs() as logs:
        await answers(server, [request_])
    (line,) = [line for line in logs if line["event"] == "request_refused"]
    assert (line["status"], line["code"], line["client"]) == (400, "bad_request", client)


@pytest.mark.parametrize(
    ("pieces", "refused"),
    [
        (endless(b"GET / HTTP/1.1\r\n", b"A: " + b"a" * 65_000 + b"\r\n"), (431, "headers_too_large")),
        (endless(b"GET / HTTP/1.1\r\nA: ", b"a" * 65_000), (431, "headers_too_large")),
        ([b"GET / HTTP/1.1\r\n" + b"A: a\r\n" * 101 + b"\r\n"], (431, "headers_too_large")),
        ([b"GET / HTTP/1.1\r\nA: " + b"a" * 70_000 + b"\r\n\r\n"], (431, "headers_too_large")),
        (endless(b"GET /", b"a" * 65_000), (414, "url_too_long")),
        ([b"GET /" + b"a" * 16_384 + b" HTTP/1.1\r\nHost: a\r\n\r\n"], (414, "url_too_long")),
        ([b"GET / HTTP/1.1\r\nA B: a\r\n\r\n"], (400, "bad_request")),
        ([b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"], (400, "bad_request")),
        ([b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"no\r\n"], (400, "bad_request")),
    ],
    ids=["fields", "field", "count", "large", "endless-url", "url", "malformed", "connect", "chunk"],
)
async def test_a_head_that_is_too_large_is_refused(
    server: Address, pieces: Iterable[bytes], refused: tuple[int, str]
) -> None:
    """As soon as that is known, and with a problem."""
    assert problem(await answers(server, pieces)) == refused


async def test_the_largest_head_is_served(server: Address) -> None:
    fields = b"A: a\r\n" * 97 + b"B: " + b"b" * 40_000 + b"\r\n"
    head = (
        b"GET /healthz?" + b"a" * 16_000 + b" HTTP/1.1\r\nHost: a\r\n" + fields + b"Connection: close\r\n\r\n"
    )
    said = await answers(server, [head[:50_000], head[50_000:]])
    assert said.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("framing", [b"Content-Length: 99999999999", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("path", [b"/nothing", b"/v1/policies", b"/v1/uploads"])
async def test_an_endless_body_is_cut_off(
    server: Address, path: bytes, framing: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether nobody reads it or a handler refuses it, and after the answer."""
    monkeypatch.setattr(http, "LINGER_SECONDS", 0.05)
    piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    head = b"POST " + path + b" HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + framing
    said = await answers(server, endless(head + b"\r\n\r\n", piece))
    status = {b"/nothing": b"404", b"/v1/policies": b"405", b"/v1/uploads": b"413"}[path]
    assert said.startswith(b"HTTP/1.1 " + status)
    if status == b"413":
        assert problem(said) == (413, "body_too_large")


async def test_a_large_body_that_nobody_reads_is_not_waited_for(
    server: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer ends the connection, though nothing of the body has arrived."""
    monkeypatch.setattr(http, "LINGER_SECONDS", 0.05)
    head = b"POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"
    assert (await answers(server, [head])).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("tail", [b"0\r\nA: ", b"5;extension="], ids=["trailer", "extension"])
async def test_endless_trailers_are_cut_off(
    server: Address, tail: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "LINGER_SECONDS", 0.05)
    monkeypatch.setattr(http, "_MAX_MESSAGE_BYTES", 1_000_000)
    start = b"POST /nothing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + tail
    assert (await answers(server, endless(start, b"a" * 65_536))).startswith(b"HTTP/1.1 404")


async def test_a_body_that_was_not_read_keeps_the_connection(server: Address) -> None:
    """If it is no larger than a handler would read."""
    unread = b"POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"
    after = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    said = await answers(server, [unread, b"a" * 200_000, after])
    assert said.count(b"HTTP/1.1 404") == said.count(b"HTTP/1.1 200") == 1


async def test_each_request_of_a_connection_may_be_large(server: Address) -> None:
    """Nothing is counted from one to the next."""
    fields = b"A: " + b"a" * 40_000 + b"\r\n"
    large = (
        b"POST /echo HTTP/1.1\r\nHost: a\r\n" + fields + b"Content-Length: 700000\r\n\r\n" + b"a" * 700_000
    )
    last = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    said = await answers(server, [large, large, large, last])
    assert said.count(b"HTTP/1.1 200") == 4


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
@pytest.mark.parametrize("split", [0, 5])
@pytest.mark.parametrize("chunked", [True, False])
async def test_an_upgrade_is_ignored(server: Address, protocol: bytes, split: int, *, chunked: bool) -> None:
    """The body is read, in one piece or two; so is the next request."""
    framing, body = b"Content-Length: 5", b"hello"
    if chunked:
        framing, body = b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + protocol + b"\r\nHTTP2-Settings: AA\r\n"
    first = b"POST /echo HTTP/1.1\r\nHost: a\r\n" + upgrade + framing + b"\r\n\r\n" + body
    last = first.replace(b"Upgrade, HTTP2-Settings\r\n", b"close, Upgrade\r\n")
    both = first + last
    at = len(first) - split
    said = await answers(server, [both[:at], both[at:]])
    assert said.count(b'"body":"hello"') == 2


@pytest.mark.parametrize("at_once", [True, False])
async def test_fields_after_the_body_are_not_headers(server: Address, *, at_once: bool) -> None:
    """A proxy that removes a header may not look for it there."""
    start = b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = [start, b"5\r\nhello\r\n", b"0\r\nX-User: mallory\r\n\r\n"]
    said = await answers(server, [b"".join(pieces)] if at_once else pieces)
    assert b'"body":"hello","headers":["host","connection","transfer-encoding"]' in said


async def test_pipelined_requests_are_limited(server: Address) -> None:
    """Those before are answered in their order, and then the connection ends."""
    said = await answers(server, [b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 1000])
    assert said.count(b"HTTP/1.1 200") == MAX_PIPELINED + 1
    assert said.lower().count(b"connection: close") == 1


async def test_a_refused_client_that_goes_on_is_disconnected(
    server: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has had its answer, and the time to read it."""
    monkeypatch.setattr(http, "LINGER_SECONDS", 0.05)
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(*server)
        writer.write(b"no HTTP\r\n\r\n")
        assert problem(await reader.read()) == (400, "bad_request")
        with pytest.raises(ConnectionError):  # noqa: PT012 - whichever comes first
            while True:
                writer.write(b" " * 65_536)
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()
