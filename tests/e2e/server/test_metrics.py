"""``serve`` and ``/metrics``: several workers, killed ones, wrong addresses."""

import os
import signal
from pathlib import Path

import httpx
import pytest
from tests.support.api import s3_that_is_down
from tests.support.metrics import Scrape, scraped
from tests.support.processes import environment_for, program
from tests.support.servers import free_port
from tests.support.service import token_for

from uploadsvc.server.listener import bind


def total(scrape: Scrape) -> float:
    return scrape.value("uploadsvc_uploads_created_total", policy="default", method="put") or 0


async def test_workers_count_together_and_killed_ones_lose_nothing(tmp_path: Path) -> None:
    port, scrape_port = free_port(), free_port()
    arguments = ("serve", "--port", str(port), "--workers", "2")
    variables = environment_for(s3_that_is_down(), UPLOADSVC_METRICS__ADDRESS=f"127.0.0.1:{scrape_port}")
    async with program(*arguments, directory=tmp_path, environment=variables, fresh=True) as running:
        await running.answers(f"http://127.0.0.1:{port}/healthz")
        sent = 0

        async def create(times: int) -> None:
            nonlocal sent
            headers = {"Authorization": f"Bearer {token_for('alice')}"}
            for _ in range(times):
                # A connection each, so that all workers get some.
                async with httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{port}", trust_env=False, headers=headers
                ) as client:
                    answer = await client.post("/v1/uploads", json={"filename": "a.txt", "size": 3})
                assert answer.status_code == 201
                sent += 1

        await create(20)
        before = await scraped(scrape_port)
        assert total(before) == sent == 20
        assert before.value("uploadsvc_bytes_promised_total", policy="default") == 60
        assert before.value("uploadsvc_worker_restarts_total") == 0
        workers = {"1", "2", "parent"}
        for name in ("process_resident_memory_bytes", "process_open_fds", "process_max_fds"):
            assert before.labels(name, "worker") == workers
        memory = {one: before.value("process_resident_memory_bytes", worker=one) or 0 for one in workers}
        assert memory["parent"] < 0.75 * max(memory.values()), "it loads neither server nor app"

        # All of them, as they are, without a word to anybody.
        for pid in children_of(running.process.pid):
            os.kill(pid, signal.SIGKILL)
        last = before
        while (last.value("uploadsvc_worker_restarts_total") or 0) < 2:
            now = await scraped(scrape_port)
            assert last.went_down(now) == []
            assert total(now) == sent
            last = now
        await running.answers(f"http://127.0.0.1:{port}/healthz")
        await create(20)
        assert total(await scraped(scrape_port)) == sent == 40

        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            await client.get("/healthz")
            while not last.value("uploadsvc_http_connections"):
                last = await scraped(scrape_port)
        assert await running.ended(signal.SIGTERM) == 0


def children_of(pid: int) -> list[int]:
    """Return the worker processes of a parent."""
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_an_address_in_use_stops_the_start_with_one_line(tmp_path: Path, workers: str) -> None:
    port = free_port()
    with bind("127.0.0.1", 0) as other:
        other.listen()
        taken = other.getsockname()[1]
        arguments = ("serve", "--port", str(port), "--workers", workers)
        variables = environment_for(s3_that_is_down(), UPLOADSVC_METRICS__ADDRESS=f"127.0.0.1:{taken}")
        async with program(*arguments, directory=tmp_path, environment=variables) as running:
            assert await running.ended() == 1
            assert running.err == (
                f"uploadsvc: cannot listen on 127.0.0.1 port {taken}: address already in use; "
                "set another address in UPLOADSVC_METRICS__ADDRESS\n"
            )
    variables |= {"UPLOADSVC_METRICS__ADDRESS": f"0.0.0.0:{port}"}
    async with program(*arguments, directory=tmp_path, environment=variables) as running:
        assert await running.ended() == 1
        assert running.err == (
            f"uploadsvc: UPLOADSVC_METRICS__ADDRESS: needs a separate port; {port} is that of the service\n"
        )


async def test_one_process_answers_while_it_serves(tmp_path: Path) -> None:
    port, scrape_port = free_port(), free_port()
    variables = environment_for(s3_that_is_down(), UPLOADSVC_METRICS__ADDRESS=f"127.0.0.1:{scrape_port}")
    async with program("serve", "--port", str(port), directory=tmp_path, environment=variables) as running:
        await running.answers(f"http://127.0.0.1:{port}/healthz")
        scrape = await scraped(scrape_port)
        assert scrape.labels("process_open_fds", "worker") == {"1"}
        labels = {"method": "GET", "route": "/healthz", "status": "200"}
        assert scrape.value("uploadsvc_http_request_duration_seconds_count", **labels) == 1
        assert await running.ended(signal.SIGTERM) == 0
