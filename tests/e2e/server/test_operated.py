"""``serve`` in operation: too many clients, SIGTERM under load, killed workers."""

import asyncio
import json
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.api import s3_that_is_down
from tests.support.processes import DEADLINE, Program, environment_for, program
from tests.support.servers import free_port
from tests.support.service import authorization
from tests.support.stubs import Canned, stub_s3

HALF_A_HEAD = b"POST /v1/uploads HTTP/1.1\r\nHost: a\r\n"
HALF_A_BODY = HALF_A_HEAD + b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{"


def lines(running: Program, event: str) -> list[dict[str, Any]]:
    """Return the lines of the log with this event."""
    return [line for line in _json(running) if line["event"] == event]


def _json(running: Program) -> list[dict[str, Any]]:
    return [json.loads(line) for line in running.lines if line.startswith("{")]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.01)


def created(port: int, client: httpx.Client) -> bool:
    """Create an upload; tell whether it was created."""
    answer = client.post(f"http://127.0.0.1:{port}/v1/uploads", json={"size": 1}, headers=authorization())
    return answer.status_code == 201


def ended(connection: socket.socket) -> bool:
    """Tell whether the service has closed a connection."""
    connection.settimeout(0)
    try:
        while connection.recv(65_536):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


async def test_clients_that_hold_connections_are_cut_off(tmp_path: Path) -> None:
    """With half a head, half a body or nothing; others are served meanwhile."""
    port = free_port()
    environment = environment_for(
        s3_that_is_down(),
        UPLOADSVC_SERVER__HEADER_TIMEOUT="1",
        UPLOADSVC_SERVER__BODY_TIMEOUT="1",
        UPLOADSVC_SERVER__IDLE_TIMEOUT="1",
        UPLOADSVC_SERVER__MAX_CONCURRENCY="20",
    )
    arguments = ("serve", "--port", str(port))
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(trust_env=False, timeout=DEADLINE))
        async with program(*arguments, directory=tmp_path, environment=environment) as running:
            await running.answers(f"http://127.0.0.1:{port}/healthz")
            held = []
            for number in range(300):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                connection.sendall((HALF_A_HEAD, HALF_A_BODY, b"")[number % 3])
                held.append(connection)
            assert created(port, client)
            await until(lambda: all(map(ended, held)))
            assert created(port, client)
            await until(lambda: len(lines(running, "request_refused")) >= 200)
            assert await running.ended(signal.SIGTERM, seconds=DEADLINE) == 0
            assert [line["status"] for line in lines(running, "request_refused")] == [408] * 200


def descriptors(pid: int) -> int:
    """Count the open descriptors of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_scarce_descriptors_are_logged_and_survived(tmp_path: Path) -> None:
    """Connections above the limit get no answer, and nothing spins or breaks."""
    port = free_port()
    async with program(
        "serve", "--port", str(port), directory=tmp_path, environment=environment_for(s3_that_is_down())
    ) as running:
        await running.answers(f"http://127.0.0.1:{port}/healthz")
        most = await asyncio.to_thread(descriptors, running.process.pid) + 20
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (most, most))
        with ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(socket.create_connection(("127.0.0.1", port))).sendall(HALF_A_HEAD)
            await until(lambda: bool(lines(running, "descriptors_scarce")))
            assert lines(running, "descriptors_scarce")[0]["limit"] == most
        await running.answers(f"http://127.0.0.1:{port}/healthz")
        assert await running.ended(signal.SIGTERM, seconds=DEADLINE) == 0


async def test_few_descriptors_limit_the_connections(tmp_path: Path) -> None:
    """As the log says at the start. The idle ones make room, and requests are served."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    port = free_port()
    environment = environment_for(s3_that_is_down(), UPLOADSVC_SERVER__MAX_CONNECTIONS="1000000")
    async with program("serve", "--port", str(port), directory=tmp_path, environment=environment) as running:
        await running.answers(f"http://127.0.0.1:{port}/healthz")
        await until(lambda: bool(lines(running, "connections_limited")))
        (line,) = lines(running, "connections_limited")
        assert (line["wanted"], line["descriptors"]) == (1_000_000, hard), "raised as far as possible"
        assert soft <= hard > line["max_connections"]


@pytest.mark.parametrize(("workers", "delay"), [("1", "0"), ("2", "1")])
async def test_no_request_is_lost_when_it_stops_under_load(tmp_path: Path, workers: str, delay: str) -> None:
    """Clients that leave connections when told to lose none, and load balancers learn of it first."""
    port = free_port()
    async with stub_s3(Canned(status=200, headers=[("x-amz-bucket-region", "us-east-1")])) as stub:
        environment = environment_for(s3_that_is_down(), UPLOADSVC_SERVER__DRAIN_DELAY=delay)
        environment["UPLOADSVC_S3__ENDPOINT_URL"] = stub.endpoint_url
        arguments = ("serve", "--port", str(port), "--workers", workers)
        async with program(*arguments, directory=tmp_path, environment=environment) as running:
            await running.answers(f"http://127.0.0.1:{port}/readyz")
            ready, answered, told = [], 0, asyncio.Event()

            async def call() -> None:
                nonlocal answered
                async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE) as client:
                    while True:
                        try:
                            answer = await client.post(
                                f"http://127.0.0.1:{port}/v1/uploads",
                                json={"size": 1},
                                headers=authorization(),
                            )
                        except httpx.ConnectError:
                            return
                        assert answer.status_code == 201
                        answered += 1
                        if answer.headers.get("connection") == "close":
                            told.set()
                            if not int(delay):
                                return

            async def probe() -> None:
                async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE) as client:
                    with suppress(httpx.ConnectError):
                        while True:
                            answer = await client.get(f"http://127.0.0.1:{port}/readyz")
                            ready.append(answer.status_code)

            calls = [asyncio.create_task(call()) for _ in range(8)]
            probing = asyncio.create_task(probe())
            await until(lambda: answered > 30)
            running.process.send_signal(signal.SIGTERM)
            await asyncio.gather(*calls)
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)
            assert told.is_set()
            assert not int(delay) or ready[-1] == 503
            assert await running.ended(seconds=DEADLINE) == 0


async def test_a_lookup_that_hangs_does_not_change_the_exit_status() -> None:
    """Such as one at a DNS server that is gone: the loop waits for its thread in vain."""
    hangs = "asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)"
    code = (
        "import asyncio, threading\n"
        "from uploadsvc.server import runner\n"
        f"async def serving() -> None:\n    {hangs}\n"
        "runner.EXIT_SECONDS = 0.1\n"
        "runner.run(serving())\n"
    )
    running = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    async with asyncio.timeout(DEADLINE):
        assert await running.wait() == 0
