"""How the service drains, and how workers are kept; with real sockets and signals."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from tests.support.processes import DEADLINE, environment_for, program
from tests.support.servers import S3Server, free_port
from tests.support.service import token_for
from tests.support.stubs import stub_s3
from uvicorn.config import STARTUP_FAILURE

from uploadsvc.server import runner as server
from uploadsvc.server.workers import Workers

REQUEST = b"GET /docs HTTP/1.1\r\nHost: uploads.test\r\n\r\n"


def working() -> FastAPI:
    """Return an app that starts."""
    return FastAPI()


def broken() -> FastAPI:
    """Return an app whose lifespan fails."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield app.state.nothing

    return FastAPI(lifespan=lifespan)


def refuses(port: int) -> bool:
    """Return whether connections to a port are refused."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - another process does not set an event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("used", [False, True], ids=["new", "idle"])
async def test_requests_on_their_way_are_answered(monkeypatch: pytest.MonkeyPatch, *, used: bool) -> None:
    """Open connections are served and closed; new ones are refused."""
    monkeypatch.setattr(server, "LAST_CALL_SECONDS", DEADLINE)
    listener, started = server.bind("127.0.0.1", 0), asyncio.Event()
    host, port = listener.getsockname()
    serving = asyncio.create_task(
        server.serve(working(), listener, on_started=started.set, stops=(signal.SIGUSR1,))
    )
    try:
        await started.wait()
        reader, writer = await asyncio.open_connection(host, port)
        if used:
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"connection: close" not in head.lower()
            await reader.readuntil(b"</html>\n    ")
        os.kill(os.getpid(), signal.SIGUSR1)
        await until(lambda: refuses(port))
        writer.write(REQUEST)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer.lower()
        writer.close()
        await serving
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)


async def test_stopping_workers_refuse_connections(tmp_path: Path) -> None:
    """A running request is answered meanwhile. Until then, they know the path that a proxy strips."""
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    arguments = ("serve", "--port", str(port), "--workers", "2", "--root-path", "/files")
    async with stub_s3(None) as stub:
        s3 = S3Server(
            name="generic",
            endpoint_url=stub.endpoint_url,
            access_key_id="id",
            secret_access_key="secret",
            bucket="bucket",
            strict=False,
        )
        headers = {"Authorization": f"Bearer {token_for('alice')}"}
        async with (
            program(*arguments, directory=tmp_path, environment=environment_for(s3)) as running,
            httpx.AsyncClient(
                base_url=base_url, headers=headers, trust_env=False, timeout=DEADLINE
            ) as client,
        ):
            await running.answers(f"{base_url}/healthz")
            assert (await client.get("/openapi.json")).json()["servers"] == [{"url": "/files"}]
            upload = (await client.post("/v1/uploads", json={"filename": "a.txt", "size": 1})).json()
            completing = asyncio.create_task(client.post(f"/v1/uploads/{upload['id']}/complete"))
            await until(lambda: bool(stub.requests))
            running.process.send_signal(signal.SIGTERM)
            await until(lambda: refuses(port))
            assert not completing.done()
            assert (await completing).status_code == 503, "S3 has not answered in time"
            assert await running.ended(seconds=DEADLINE) == 0


async def test_workers_end_with_their_parent(tmp_path: Path, localstack: S3Server) -> None:
    """However the parent ended, so that the address is free again."""
    port = free_port()
    arguments = ("serve", "--port", str(port), "--workers", "2")
    environment = environment_for(localstack)
    async with program(*arguments, directory=tmp_path, environment=environment) as running:
        await running.answers(f"http://127.0.0.1:{port}/healthz")
        running.process.kill()
        await until(lambda: refuses(port))


@pytest.fixture
async def listener() -> AsyncIterator[socket.socket]:
    """Provide a bound socket; restore signal handlers afterwards."""
    with server.bind("127.0.0.1", 0) as bound:
        yield bound
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)


async def test_a_worker_that_ends_is_replaced(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    workers = Workers(working, listener, 2)
    running = asyncio.create_task(workers.run())
    await until(lambda: len(workers._running) == 2)
    killed = next(iter(workers._running))
    killed.kill()
    await until(lambda: killed not in workers._running and len(workers._running) == 2)
    await until(lambda: not refuses(port))
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    assert refuses(port)


async def test_an_app_that_cannot_start_is_not_retried(listener: socket.socket) -> None:
    """The exit status tells so."""
    with pytest.raises(SystemExit) as ended:
        await Workers(broken, listener, 2).run()
    assert ended.value.code == STARTUP_FAILURE
