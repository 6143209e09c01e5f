"""`uploadsvc dev` as people run it: start, paste the line, Ctrl-C."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest
from tests.support.processes import curl_line, demo, is_alive, program
from tests.support.servers import S3Server, free_port

from uploadsvc.cli.dev import page_origin

BASH, CURL = shutil.which("bash"), shutil.which("curl")


def paste(line: str, directory: Path) -> None:
    """Run a line as if pasted into a terminal."""
    if BASH is None or CURL is None:
        pytest.skip("bash and curl are not installed: apt-get install bash curl")
    done = subprocess.run(  # noqa: S603 - the line under test
        [BASH, "-c", line],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1"},
        timeout=20,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"HTTP 200\n", done.stdout


def listed(base_url: str, line: str) -> list[tuple[str, int]]:
    """List the user's objects: the last segment of each key, and its size."""
    token = re.search(r"Bearer ([^']+)'", line)
    assert token
    answer = httpx.get(
        f"{base_url}/v1/objects", headers={"Authorization": f"Bearer {token[1]}"}, trust_env=False
    )
    return [(entry["key"].rpartition("/")[2], entry["size"]) for entry in answer.json()["objects"]]


async def test_the_page_is_served_and_the_pasted_line_works(tmp_path: Path) -> None:
    """Ctrl-C stops service and S3; the next start finds what was stored."""
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    readme = tmp_path / "README.md"
    readme.write_text("# Read me\n")
    for turn in (1, 2):
        async with demo(tmp_path, port) as running:
            assert f"{base_url}/" in running.out
            page = await asyncio.to_thread(httpx.get, f"{base_url}/", trust_env=False)
            assert "text/html" in page.headers["content-type"]
            line = curl_line(running.out)
            paste(line, tmp_path)
            assert listed(base_url, line) == [("README.md", readme.stat().st_size)] * turn
            weed = int((tmp_path / ".uploadsvc" / "s3" / "weed.lock").read_text())
            assert is_alive(weed)
            assert await running.ended(signal.SIGINT, seconds=15) == 0
        assert not is_alive(weed)
        assert "Traceback" not in running.err


async def test_a_running_s3_can_be_used(tmp_path: Path, localstack: S3Server) -> None:
    """Its bucket is created, and no SeaweedFS is started."""
    port = free_port()
    (tmp_path / "README.md").write_text("# Read me\n")
    async with demo(tmp_path, port, "--s3-endpoint", localstack.endpoint_url) as running:
        assert localstack.endpoint_url in running.out
        line = curl_line(running.out)
        paste(line, tmp_path)
        assert ("README.md", 10) in listed(f"http://127.0.0.1:{port}", line)
        assert not (tmp_path / ".uploadsvc" / "s3").exists()
        assert await running.ended(signal.SIGTERM) == 0


async def test_ctrl_c_during_the_start_leaves_no_process(tmp_path: Path) -> None:
    lock = tmp_path / ".uploadsvc" / "s3" / "weed.lock"
    async with program("dev", "--port", str(free_port()), directory=tmp_path) as running:
        await running.until(lambda: lock.exists() and bool(lock.read_text()))
        weed = int(lock.read_text())
        assert await running.ended(signal.SIGINT, seconds=15) == 0
    assert not is_alive(weed)
    assert "Traceback" not in running.err
    assert "Ctrl-C ends it" not in running.out


async def test_ctrl_c_does_not_wait_for_pages_that_follow_events(tmp_path: Path) -> None:
    port = free_port()
    async with demo(tmp_path, port) as running, httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{port}/demo/events?user=alice"
        async with client.stream("GET", url) as events:
            following = events.aiter_raw()
            assert await anext(following) == b":\n\n"
            running.process.send_signal(signal.SIGINT)
            assert [more async for more in following] == []
        assert await running.ended(seconds=15) == 0


async def test_a_dead_s3_ends_the_service_with_one_line(tmp_path: Path) -> None:
    """It ends the service, in order."""
    async with demo(tmp_path, free_port()) as running:
        os.kill(int((tmp_path / ".uploadsvc" / "s3" / "weed.lock").read_text()), signal.SIGKILL)
        assert await running.ended() == 1
    assert "Traceback" not in running.err
    assert running.err.splitlines()[-1].startswith("uploadsvc: the embedded S3 has ended (status -9); see ")


async def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    """Nothing is started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        async with program("dev", "--port", port, directory=tmp_path) as running:
            assert await running.ended() == 1
    (line,) = running.err.splitlines()
    assert port in line
    assert not (tmp_path / ".uploadsvc").exists()


async def test_other_machines_need_a_host(tmp_path: Path) -> None:
    """The one line says which setting is missing; no S3 is started."""
    arguments = ("--host", "0.0.0.0", "--port", str(free_port()))  # noqa: S104 - it does not start
    async with program("dev", *arguments, directory=tmp_path) as running:
        assert await running.ended() == 1
    (line,) = running.err.splitlines()
    assert line.startswith("uploadsvc: UPLOADSVC_DEMO_HOSTS: missing; ")
    assert not (tmp_path / ".uploadsvc" / "s3").exists()


@pytest.mark.parametrize(
    ("host", "port", "origin"),
    [
        ("localhost", 8000, "http://localhost:8000"),
        ("127.0.0.1", 80, "http://127.0.0.1"),
        ("::1", 8000, "http://[::1]:8000"),
    ],
)
def test_the_cors_rule_has_origins_as_browsers_send_them(host: str, port: int, origin: str) -> None:
    """Without the default port; IPv6 addresses in brackets."""
    assert page_origin(host, port) == origin


async def test_an_unreachable_s3_is_one_line(tmp_path: Path) -> None:
    """The line names the bucket."""
    arguments = ("--s3-endpoint", f"http://127.0.0.1:{free_port()}")
    async with program("dev", "--port", str(free_port()), *arguments, directory=tmp_path) as running:
        assert await running.ended(seconds=30) == 1
    assert len(running.err.splitlines()) == 1, running.err
