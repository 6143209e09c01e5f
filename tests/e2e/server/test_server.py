"""Draining, and replacement of workers, with real sockets and signals."""

import asyncio
import functools
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from unittest.mock import AsyncMock

import httpx
import pytest
from tests.support.api import s3_that_is_down
from tests.support.processes import DEADLINE, environment_for, program
from tests.support.servers import S3Server, free_port
from tests.support.service import token_for
from tests.support.stubs import Canned, stub_s3
from tests.support.worker_apps import broken, crashing, refused, starts_once, working
from uvicorn.config import STARTUP_FAILURE

from uploadsvc.server import runner as server
from uploadsvc.server import workers as workers_module
from uploadsvc.server.listener import bind, refuse_connections
from uploadsvc.server.workers import CannotStartError, Workers
from uploadsvc.telemetry.metrics import Metrics

REQUEST = b"GET /docs HTTP/1.1\r\nHost: uploads.test\r\n\r\n"


def refuses(port: int) -> bool:
    """Return whether connections to a port are refused."""
    with socket.socket() as client:
        # A server that stops lets the kernel drop connections, before it closes the socket.
        client.settimeout(0.1)
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
    monkeypatch.setattr(server, "emptied", AsyncMock())
    listener, started = bind("127.0.0.1", 0), asyncio.Event()
    host, port = listener.getsockname()
    serving = asyncio.create_task(
        server.serve(working(Metrics()), listener, on_started=started.set, stops=(signal.SIGUSR1,))
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
    refused = asyncio.Event()

    async def answer_late(_: str) -> Canned:
        await refused.wait()
        return Canned(status=503, code="SlowDown")

    async with stub_s3(answer_late) as stub:
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
            refused.set()
            assert (await completing).status_code == 503, "it has S3's own answer"
            assert await running.ended(seconds=DEADLINE) == 0


async def test_workers_end_with_their_parent(tmp_path: Path, localstack: S3Server) -> None:
    """However the parent ended, so that the address is free again."""
    port = free_port()
    arguments = ("serve", "--port", str(port), "--workers", "2")
    environment = environment_for(localstack)
    async with program(*arguments, directory=tmp_path, environment=environment, fresh=True) as running:
        await running.answers(f"http://127.0.0.1:{port}/healthz")
        running.process.kill()
        await until(lambda: refuses(port))


@pytest.fixture
async def listener() -> AsyncIterator[socket.socket]:
    """Provide a bound socket; restore signal handlers afterwards."""
    with bind("127.0.0.1", 0) as bound:
        yield bound
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)


async def test_a_worker_that_ends_is_replaced(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    workers = Workers(working, listener, 2)
    running = asyncio.create_task(workers.run())
    await until(lambda: len(workers._running) == 2)
    killed = next(iter(workers._running))
    killed.process.kill()
    await until(lambda: killed not in workers._running and len(workers._running) == 2)
    await until(lambda: not refuses(port))
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    assert refuses(port)


async def test_a_worker_that_hangs_is_replaced(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that hangs does not keep the service from stopping."""
    workers = Workers(working, listener, 1)
    running = asyncio.create_task(workers.run())
    await until(lambda: any(worker.beats for worker in workers._running))
    stopped = next(iter(workers._running))
    assert stopped.process.pid
    os.kill(stopped.process.pid, signal.SIGSTOP)
    monkeypatch.setattr(workers_module, "HUNG_BEATS", 2)
    await until(lambda: stopped not in workers._running)
    # A busy machine may make its successor late; from here on nothing but the time to stop kills one.
    monkeypatch.setattr(workers_module, "HUNG_BEATS", 1_000_000)
    await until(lambda: any(worker.beats for worker in workers._running))
    (last,) = workers._running
    assert last.process.pid
    os.kill(last.process.pid, signal.SIGSTOP)
    monkeypatch.setattr(workers_module, "DRAIN_SECONDS", 0)
    monkeypatch.setattr(workers_module, "EXIT_SECONDS", 0.1)
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(DEADLINE):
        await running


async def test_a_worker_that_cannot_start_again_ends_the_service(
    listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some tries, with pauses; callers would wait in vain at its socket."""
    monkeypatch.setattr(workers_module, "MAX_FAILURES", 2)
    started = tmp_path / "started"
    workers = Workers(functools.partial(starts_once, started), listener, 1)

    async def kill_the_first() -> None:
        await until(lambda: any(worker.beats for worker in workers._running))
        next(iter(workers._running)).process.kill()

    killing = asyncio.create_task(kill_the_first())
    # Not in a task: asyncio would pass the exit on to whoever runs the loop.
    with pytest.raises(SystemExit) as ended:
        await workers.run()
    await killing
    assert ended.value.code == STARTUP_FAILURE
    assert started.read_text() == ".."


async def test_a_worker_that_crashes_logs_one_line(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With its traceback, redacted; multiprocessing would print one of its own."""
    monkeypatch.setattr(workers_module, "MAX_FAILURES", 1)
    with pytest.raises(SystemExit):
        await Workers(crashing, listener, 1).run()
    (line,) = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert (line["event"], line["level"]) == ("crashed", "error")
    assert "ZeroDivisionError: a bug with Authorization: Bearer [redacted]" in line["exception"]


async def test_workers_start_again_with_the_same_settings(tmp_path: Path) -> None:
    """Whatever is in the file by then."""
    config = tmp_path / "uploadsvc.toml"
    config.write_text("key_prefix = 'first'")
    port = free_port()
    environment = environment_for(s3_that_is_down(), UPLOADSVC_CONFIG_FILE=str(config))
    url, headers = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {token_for('alice')}"}

    def key() -> str:
        with suppress(httpx.TransportError):
            answer = httpx.post(
                f"{url}/v1/uploads", json={"size": 1}, headers=headers, trust_env=False, timeout=DEADLINE
            )
            return str(answer.json()["key"])
        return ""

    arguments = ("serve", "--port", str(port), "--workers", "2")
    async with program(*arguments, directory=tmp_path, environment=environment) as running:
        await running.answers(f"{url}/healthz")
        config.write_text("broken =")
        for worker in children(running.process.pid):
            os.kill(worker, signal.SIGKILL)
        await until(lambda: "worker_ended" in running.err)
        await until(lambda: key().startswith("first/"))
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            running.process.send_signal(number)
            for worker in children(running.process.pid):
                os.kill(worker, number)
        assert key().startswith("first/")
        assert await running.ended(signal.SIGTERM, seconds=DEADLINE) == 0
        assert running.err.count("worker_ended") == 2


def children(pid: int) -> list[int]:
    """Return the worker processes of a service; multiprocessing has another child that tracks resources."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if fields[1] == str(pid) and b"spawn_main" in (path.parent / "cmdline").read_bytes():
                found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("begun", [b"", REQUEST[:20], REQUEST], ids=["nothing", "part", "request"])
async def test_late_requests_are_answered_before_the_server_closes(
    monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    """A connection that is not accepted yet, a part of a request, a request that is not read."""
    monkeypatch.setattr(server, "LAST_CALL_SECONDS", 0)
    listener, started = bind("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(
        server.serve(working(Metrics()), listener, on_started=started.set, stops=(signal.SIGUSR1,))
    )
    await started.wait()
    closing = asyncio.Event()
    refuse = refuse_connections

    def connect_first(shared: socket.socket) -> None:
        # The last moment at which the kernel lets a connection in.
        client.connect(shared.getsockname())
        client.sendall(begun)
        refuse(shared)
        closing.set()

    monkeypatch.setattr(server, "refuse_connections", connect_first)
    with socket.socket() as client:
        os.kill(os.getpid(), signal.SIGUSR1)
        await closing.wait()
        assert refuses(listener.getsockname()[1])
        client.sendall(REQUEST.removeprefix(begun))
        client.settimeout(0)
        loop, answer = asyncio.get_running_loop(), b""
        async with asyncio.timeout(DEADLINE):
            while piece := await loop.sock_recv(client, 65_536):
                answer += piece
    assert answer.startswith(b"HTTP/1.1 200")
    await serving
    asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)


async def test_logs_that_nobody_reads_do_not_stop_the_service(tmp_path: Path) -> None:
    """Its pipe is full after 64 KiB."""
    long_id = {"X-Request-ID": "a" * 64}
    port, pipe = free_port(), tmp_path / "err.log"
    os.mkfifo(pipe)
    reads = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    environment = environment_for(s3_that_is_down())
    async with program("serve", "--port", str(port), directory=tmp_path, environment=environment) as running:
        await until(lambda: not refuses(port))
        async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE) as client:
            for _ in range(65_536 // 150):
                url = f"http://127.0.0.1:{port}/.well-known/jwks.json"
                assert (await client.get(url, headers=long_id)).is_success
        assert await running.ended(signal.SIGTERM, seconds=DEADLINE) == 0
        assert len(os.read(reads, 2**20)) > 32_768
    os.close(reads)


async def test_the_reason_of_a_worker_is_the_parents(listener: socket.socket) -> None:
    """Reported once, however many workers fail."""
    with pytest.raises(CannotStartError) as ended:
        await Workers(refused, listener, 2).run()
    lines = str(ended.value).splitlines()
    assert lines == [f"UPLOADSVC_{number}: wrong" for number in range(1000)]


async def test_an_app_that_cannot_start_is_not_retried(listener: socket.socket) -> None:
    """The exit status tells so."""
    with pytest.raises(SystemExit) as ended:
        await Workers(broken, listener, 2).run()
    assert ended.value.code == STARTUP_FAILURE
