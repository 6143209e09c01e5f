"""`make bench` counts only correct responses."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path

import pytest
from benchmarks import loader
from benchmarks.load import Target, read_requests, write_requests
from benchmarks.servers import Server
from benchmarks.targets import is_signed

GOOD = b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n" + b'{"url": "x"}'
IN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}"
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[int]:
    """Answer the requests of a connection in turn, each byte on its own; give the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        following = cycle(answers)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                for number in next(following):
                    writer.write(bytes([number]))
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("answers", "failures"), [((GOOD, IN_CHUNKS), 0), ((REFUSED,), 1)], ids=["good", "refused"]
)
async def test_the_loader_counts_answers_and_those_that_are_errors(
    answers: Sequence[bytes], failures: int
) -> None:
    async with answering(*answers) as port:
        closed = await loader.closed(port, [REQUEST], 0.05, connections=2)
        paced = await loader.paced(port, [REQUEST], 0.05, connections=2, rate=200)
    assert len(paced.latencies) == 10
    assert len(closed.latencies) >= 2
    for found in (closed, paced):
        assert found.failures == failures * len(found.latencies)


async def test_a_target_that_answers_something_else_ends_the_run(tmp_path: Path) -> None:
    async with answering(GOOD) as port:
        target = Target(
            name="peer",
            title="A peer",
            server=Server(port=port, pid=0, log=tmp_path / "log"),
            method="POST",
            calls=[("/sign", {"X-User": "alice"}, {"size": 1})],
            status=201,
            check=lambda found: is_signed(found["url"]),
        )
        with pytest.raises(SystemExit, match=r"A peer: 201 \{\"url\": \"x\"\}"):
            await asyncio.to_thread(target.try_once)


def test_requests_survive_the_file_that_wrk_reads(tmp_path: Path) -> None:
    target = Target(
        name="peer",
        title="A peer",
        server=Server(port=1, pid=0, log=tmp_path / "log"),
        method="POST",
        calls=[("/a", {"X-User": "alice"}, {"name": "a\nb"}), ("/b", {}, None)],
        status=200,
        check=bool,
    )
    first = (
        b"POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nX-User: alice\r\nContent-Type: application/json\r\n"
        b'Content-Length: 16\r\n\r\n{"name": "a\\nb"}'
    )
    second = b"POST /b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    assert read_requests(write_requests(target, tmp_path)) == [first, second]
