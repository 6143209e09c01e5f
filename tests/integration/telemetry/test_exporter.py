"""The port of the metrics: what it answers, and how it treats those that do not behave."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from shutil import which

import httpx
import pytest

from uploadsvc.server.listener import bind
from uploadsvc.telemetry import exporter as exporter_module
from uploadsvc.telemetry.exporter import Exporter
from uploadsvc.telemetry.metrics import Metrics


@asynccontextmanager
async def answering(metrics: Metrics) -> AsyncIterator[int]:
    listener = bind("127.0.0.1", 0)
    async with Exporter(metrics, name="1").open(listener):
        yield listener.getsockname()[1]


async def raw(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


async def test_answers_what_is_asked_for_and_nothing_else() -> None:
    metrics = Metrics()
    metrics.uploads_created.inc("default", "put")
    async with (
        answering(metrics) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        plain = await client.get("/metrics?name=value")
        assert plain.status_code == 200
        assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert 'uploadsvc_uploads_created_total{policy="default",method="put"} 1.0\n' in plain.text
        opened = await client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
        assert opened.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert opened.text.endswith("# EOF\n")
        head = await client.head("/metrics")
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) > 1000
        assert (await client.get("/")).status_code == 404
        assert (await client.get("/metrics/")).status_code == 404
        posted = await client.post("/metrics", content=b"x")
        assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")
        assert (await raw(port, b"GET /metrics\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        assert (await raw(port, b"x" * 100_000)).startswith(b"HTTP/1.1 400 ")
        await check(plain.content)


async def check(text: bytes) -> None:
    """Let Prometheus's own tool read it, if it is installed."""
    if promtool := which("promtool"):
        pipe = asyncio.subprocess.PIPE
        checking = await asyncio.create_subprocess_exec(
            promtool, "check", "metrics", stdin=pipe, stdout=pipe, stderr=pipe
        )
        assert await checking.communicate(text) == (b"", b"")
        assert checking.returncode == 0


async def test_slow_and_many_clients_take_no_place_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MAX_CONNECTIONS", 1), ("REQUEST_SECONDS", 0.2), ("ANSWER_SECONDS", 0.2)):
        monkeypatch.setattr(exporter_module, name, value)

    async def large(*_: object) -> bytes:
        return b"x" * 32 * 1024**2

    monkeypatch.setattr(exporter_module, "written", large)
    async with answering(Metrics()) as port, asyncio.timeout(20):
        reader, half = await asyncio.open_connection("127.0.0.1", port)
        half.write(b"GET /metrics HTTP/1.1\r\n")
        assert await reader.read() == b""
        half.close()
        while await refused(port):
            pass
        # Its answer is larger than what the kernel keeps for it.
        unread = socket.create_connection(("127.0.0.1", port))
        unread.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        unread.settimeout(0)
        assert await asyncio.get_running_loop().sock_recv(unread, 1)
        while not await refused(port):
            pass
        while await refused(port):
            pass
        unread.close()


async def test_whoever_asks_nothing_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a few idle connections would keep Prometheus away."""
    monkeypatch.setattr(exporter_module, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(exporter_module, "REQUEST_SECONDS", 60)
    async with answering(Metrics()) as port, asyncio.timeout(20):
        reader, idle = await asyncio.open_connection("127.0.0.1", port)
        assert not await refused(port)
        assert await reader.read() == b""
        idle.close()


async def refused(port: int) -> bool:
    try:
        return await raw(port, b"HEAD /metrics HTTP/1.1\r\n\r\n") == b""
    except ConnectionError:
        return True
