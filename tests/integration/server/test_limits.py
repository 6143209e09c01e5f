"""Clients that are slow, silent, too many, or read nothing."""

import asyncio
import json
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from structlog.testing import capture_logs
from tests.support.api import s3_that_is_down
from tests.support.connections import PATIENCE, Address, answers, problem, serving
from tests.support.service import settings_for

from uploadsvc.app import create_app
from uploadsvc.server import descriptors, http, runner
from uploadsvc.settings import Settings

SOON = 0.1
ORIGIN = "https://app.example.com"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
HELD = b"GET /held HTTP/1.1\r\nHost: a\r\nOrigin: " + ORIGIN.encode() + b"\r\n\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class Stage:
    """The service, with a route that waits, one that reads its body, and one that sends without end."""

    def __init__(self) -> None:
        settings = settings_for(s3_that_is_down(), cors={"allow_origins": [ORIGIN]})
        self.app: FastAPI = create_app(Settings.model_validate(settings))
        self.address: Address = ("", 0)
        self.writers: list[StreamWriter] = []
        self.held = 0
        self.go_on = asyncio.Event()
        self.ended = asyncio.Event()
        self.app.get("/held")(self.hold)
        self.app.post("/echo")(self.echo)
        self.app.get("/endless")(self.endless)

    async def hold(self) -> None:
        """Answer once the stage lets it."""
        self.held += 1
        await self.go_on.wait()

    async def echo(self, request: Request) -> str:
        """Answer with the body."""
        return (await request.body()).decode()

    async def endless(self) -> StreamingResponse:
        """Answer without end."""

        async def pieces() -> AsyncIterator[bytes]:
            try:
                while True:
                    await asyncio.sleep(0)
                    yield b" " * 65_536
            finally:
                self.ended.set()

        return StreamingResponse(pieces())

    @asynccontextmanager
    async def served(self, **limits: float) -> AsyncIterator[None]:
        """Serve the app with these limits; close all connections in the end."""
        async with serving(self.app, **limits) as self.address:
            try:
                async with asyncio.timeout(PATIENCE):
                    yield
            finally:
                self.go_on.set()
                for writer in self.writers:
                    writer.close()

    async def connect(self, *sent: bytes) -> tuple[StreamReader, StreamWriter]:
        """Open a connection, and send this."""
        reader, writer = await asyncio.open_connection(*self.address)
        self.writers.append(writer)
        writer.write(b"".join(sent))
        return reader, writer

    async def dripped(self, start: bytes, drop: bytes) -> bytes:
        """Send one drop after the other until the server has had enough; return what it says."""
        reader, writer = await self.connect(start)
        said = bytearray()

        async def listen() -> None:
            # What drips on after the end resets the connection.
            with suppress(ConnectionError):
                while piece := await reader.read(65_536):
                    said.extend(piece)

        listening = asyncio.create_task(listen())
        while not (await asyncio.wait({listening}, timeout=SOON / 10))[0]:
            writer.write(drop)
        return bytes(said)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Provide the service."""
    monkeypatch.setattr(runner, "LAST_CALL_SECONDS", 0)
    return Stage()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - the server sets no event
            await asyncio.sleep(0.001)


OTHER = LAST.replace(b"/healthz", b"/nothing")
BODY = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nhell"
CHUNKS = (
    b"POST /v1/uploads HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n"
)


async def test_a_slow_request_is_refused(stage: Stage) -> None:
    """Each part of it has a time of its own, and what drips in does not prolong it."""
    heads = [(b"G", b""), (b"GET / HTTP/1.1\r\nHost", b"a"), (b"GET /", b"a")]
    bodies = [(BODY, b""), (BODY, b"a"), (CHUNKS, b""), (CHUNKS, b"1\r\na\r\n")]
    async with stage.served(header_timeout=SOON, body_timeout=2 * SOON):
        said = await asyncio.gather(*(stage.dripped(*sent) for sent in (*heads, *bodies)))
    assert {problem(one) for one in said} == {(408, "request_timeout")}
    assert [b"The head" in one for one in said] == [True] * 3 + [False] * 4
    assert [b"The body" in one for one in said] == [False] * 3 + [True] * 4


@pytest.mark.parametrize("drop", [b"", b"\r\n"], ids=["silent", "blank"])
@pytest.mark.parametrize("used", [False, True])
async def test_an_idle_connection_is_closed(stage: Stage, drop: bytes, *, used: bool) -> None:
    """New or used; blank lines are no request."""
    async with stage.served(idle_timeout=SOON):
        said = await stage.dripped(HEALTH if used else b"", drop)
    assert said.count(b"HTTP/1.1 200") == said.count(b"HTTP/1.1") == used


async def test_limits_end_with_what_they_limit(stage: Stage) -> None:
    """A handler may take longer than a client, and a connection lasts from request to request."""
    limits = {"header_timeout": SOON, "body_timeout": SOON, "idle_timeout": SOON}
    async with stage.served(**limits):
        reader, writer = await stage.connect(BODY[:30])
        writer.write(BODY[30:] + b"a" * 496)
        await reader.readuntil(b'aaa"')
        writer.write(HELD)
        await until(lambda: stage.held)
        asyncio.get_running_loop().call_later(3 * SOON, stage.go_on.set)
        assert b"200 OK" in await reader.readuntil(b"null")
        writer.write(LAST)
        assert b"200 OK" in await reader.read()
        writer.close()


async def test_a_slow_body_does_not_add_to_an_answer_that_has_begun(stage: Stage) -> None:
    """The connection ends."""

    @stage.app.post("/early")
    async def early(request: Request) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"early"
            yield await request.body()

        return StreamingResponse(pieces())

    async with stage.served(body_timeout=SOON):
        said = await answers(
            stage.address, [b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell"]
        )
    assert said.startswith(b"HTTP/1.1 200")
    assert said.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("pipelined", [0, 10])
async def test_a_client_that_reads_nothing_is_disconnected(stage: Stage, pipelined: int) -> None:
    """It would keep its request in progress for ever; more requests do not prolong that."""
    async with stage.served(body_timeout=SOON):
        endless = b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n"
        await stage.connect(endless, HEALTH * pipelined)
        await stage.ended.wait()


async def test_the_oldest_idle_connection_makes_room(stage: Stage) -> None:
    """One that is in use stays, and so does one whose request has just arrived."""
    async with stage.served(max_connections=3):
        _, busy = await stage.connect(HELD)
        await until(lambda: stage.held)
        first, _ = await stage.connect(HEALTH)
        await first.readuntil(b"}")
        second, second_writer = await stage.connect(HEALTH)
        await second.readuntil(b"}")
        with capture_logs() as logs:
            third, _ = await stage.connect(LAST)
            assert b"200 OK" in await third.read()
        assert await first.read() == b""
        (line,) = (line for line in logs if line["event"] == "connections_full")
        assert (line["max_connections"], line["idle_closed"]) == (3, 1)
        second_writer.write(LAST)
        assert b"200 OK" in await second.read()
        busy.close()


async def test_connections_above_the_limit_are_told_so(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few are told, any more closed; there is room again as soon as one ends."""
    monkeypatch.setattr(descriptors, "MAX_REFUSED", 2)
    monkeypatch.setattr(http, "LINGER_SECONDS", PATIENCE)
    async with stage.served(max_connections=2):
        holders = [await stage.connect(HELD) for _ in range(2)]
        await until(lambda: stage.held == 2)
        told = [await stage.connect() for _ in range(2)]
        silent, _ = await stage.connect()
        assert await silent.read() == b""
        for reader, writer in told:
            writer.write(HEALTH)
            said = await reader.read()
            assert problem(said) == (503, "overloaded")
            assert b"\r\nretry-after: 1\r\n" in said
            writer.close()
        stage.go_on.set()
        for reader, writer in holders:
            await reader.readuntil(b"null")
            writer.close()
        while b"200 OK" not in await answers(stage.address, [LAST]):
            pass


async def test_requests_above_the_limit_are_refused(stage: Stage) -> None:
    """Before anything is done for them, and in a way that pages of allowed origins can read."""
    async with stage.served(max_concurrency=2):
        holders = [await stage.connect(HELD) for _ in range(2)]
        await until(lambda: stage.held == 2)
        with capture_logs() as logs:
            reader, writer = await stage.connect(HELD, HEALTH, HELD, LAST)
            said = await reader.read()
        assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"503", b"200", b"503", b"200"]
        assert said.count(b'"code": "overloaded"') == said.count(b"\r\nretry-after: 1\r\n") == 2
        assert said.count(b"\r\naccess-control-allow-origin: " + ORIGIN.encode()) == 2
        assert [line["count"] for line in logs if line["event"] == "requests_refused"] == [1]
        assert [line["status"] for line in logs if line["event"] == "request"] == [503, 200, 503, 200]
        writer.close()
        stage.go_on.set()
        for reader, writer in holders:
            assert b"200 OK" in await reader.readuntil(b"null")
            writer.write(HELD)
            assert b"200 OK" in await reader.readuntil(b"null")
            writer.close()


@pytest.mark.parametrize("piece", [BODY, CHUNKS])
async def test_requests_whose_body_is_arriving_take_no_room(stage: Stage, piece: bytes) -> None:
    """Whether they then arrive, are refused, or end."""
    async with stage.served(max_concurrency=1):
        slow = [await stage.connect(piece) for _ in range(20)]
        for _, writer in slow[:10]:
            await writer.drain()
            writer.close()
        assert b"404 Not Found" in await answers(stage.address, [OTHER])
        for reader, writer in slow[10:]:
            writer.write(b"no chunk" if b"chunked" in piece else b"a" * 496)
            await reader.readuntil(b"HTTP/1.1 ")
            writer.close()
        _, writer = await stage.connect(HELD)
        await until(lambda: stage.held)
        said = await answers(stage.address, [OTHER])
        assert said.startswith(b"HTTP/1.1 503"), "their place is not given twice"
        writer.close()
        stage.go_on.set()


async def test_the_type_of_a_refusal_is_a_page_behind_a_proxy() -> None:
    """Which strips a path from the requests: the reference has it."""
    async with serving(Stage().app, "/files") as server:
        said = await answers(server, [b"GET / HTTP/1.1\r\nA B: a\r\n\r\n"])
        assert json.loads(said.partition(b"\r\n\r\n")[2])["type"] == "/files/problems/bad_request"
        page = b"GET /problems/bad_request HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        assert (await answers(server, [page])).startswith(b"HTTP/1.1 200")
