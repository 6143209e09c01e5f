"""The S3 servers that tests run against, each started by the tests and gone with them."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from uuid import uuid4

import aioboto3
import httpx
from aiobotocore.config import AioConfig
from moto.server import ThreadedMotoServer

from uploadsvc.dev.seaweedfs import run_seaweedfs
from uploadsvc.domain.credentials import Credentials

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

ROOT: Final = Path(__file__).resolve().parent.parent
LOCALSTACK_PYTHON: Final = ROOT / ".venv-localstack" / "bin" / "python"
_LOCALSTACK_TIMEOUT: Final = 60.0
_SEAWEEDFS_KEY: Final = Credentials(access_key_id="AKIASEAWEEDFSADMIN00", secret_access_key="s" * 40)
_TEST_KEY: Final = Credentials(access_key_id="test", secret_access_key="test")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """An S3 that is running, with a bucket in it.

    Attributes:
        name: ``seaweedfs``, ``localstack`` or ``moto``.
        endpoint_url: Where it listens.
        access_key_id: A key that may do everything.
        secret_access_key: Its secret.
        region: The region of the bucket.
        bucket: Made when the server was; only of these tests.
        strict: Whether it refuses nearly all that AWS refuses; where not, only a refusal proves something.
        session_token: Set where the key is of a session.
    """

    name: str
    endpoint_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str = "us-east-1"
    bucket: str = "uploads-test"
    strict: bool
    session_token: str | None = field(default=None, repr=False)

    @property
    def credentials(self) -> Credentials:
        """The key as the service's own code takes it."""
        return Credentials(
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            session_token=self.session_token,
        )

    def client(self) -> "AbstractAsyncContextManager[S3Client]":
        """Open a client of it, as an independent witness."""
        client = aioboto3.Session().client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            aws_session_token=self.session_token,
            region_name=self.region,
            config=AioConfig(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        return cast("AbstractAsyncContextManager[S3Client]", client)

    async def create_bucket(self, bucket: str | None = None) -> str:
        """Make a bucket, of a new name when none is given; give its name."""
        bucket = bucket or f"test-{uuid4().hex}"
        async with self.client() as client:
            await client.create_bucket(Bucket=bucket)
        return bucket


@asynccontextmanager
async def seaweedfs_server(directory: Path) -> AsyncIterator[S3Server]:
    """Run SeaweedFS, the strict one, over a directory."""
    async with run_seaweedfs(directory=directory, credentials=_SEAWEEDFS_KEY) as running:
        server = _server("seaweedfs", running.endpoint_url, _SEAWEEDFS_KEY, strict=True)
        await server.create_bucket(server.bucket)
        yield server


@asynccontextmanager
async def localstack_server(directory: Path) -> AsyncIterator[S3Server]:
    """Run LocalStack from its own environment; it writes into a directory, and nowhere else.

    Raises:
        RuntimeError: It ended or did not answer in time; the message has the end of its log.
    """
    port = free_port()
    endpoint_url = f"http://127.0.0.1:{port}"
    log_path = directory / "localstack.log"
    with _localstack_process(directory, port=port, log_path=log_path) as process:
        await _answers(f"{endpoint_url}/_localstack/health", process, log_path)
        server = _server("localstack", endpoint_url, _TEST_KEY, strict=False)
        await server.create_bucket(server.bucket)
        yield server


@contextmanager
def _localstack_process(directory: Path, *, port: int, log_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program and arguments
            [str(LOCALSTACK_PYTHON), "-m", "localstack.runtime.main"],
            cwd=directory,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(directory),
                "TMPDIR": str(directory),
                "FILESYSTEM_ROOT": str(directory / "root"),
                # In a container it would take itself for its own image, and write to /var/lib.
                "OVERRIDE_IN_DOCKER": "0",
                "GATEWAY_LISTEN": f"127.0.0.1:{port}",
                "DNS_ADDRESS": "0",
                "SERVICES": "s3,sts,sqs",
                "STRICT_SERVICE_LOADING": "1",
                "DISABLE_EVENTS": "1",
                "SKIP_SSL_CERT_DOWNLOAD": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _answers(url: str, process: subprocess.Popen[bytes], log_path: Path) -> None:
    deadline = time.monotonic() + _LOCALSTACK_TIMEOUT
    async with httpx.AsyncClient(trust_env=False) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if (await client.get(url)).is_success:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.1)
    raise RuntimeError(_failure(process, log_path))


def _failure(process: subprocess.Popen[bytes], log_path: Path) -> str:
    return f"LocalStack did not start (status {process.poll()}):\n{log_path.read_text()[-2000:]}"


@contextmanager
def moto_server_running() -> Iterator[S3Server]:
    """Run moto on a thread: it checks no signature, but is fast and keeps state as S3 does."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        yield _server("moto", f"http://{host}:{port}", _TEST_KEY, strict=False)
    finally:
        moto.stop()
        # stop() ends the loop, and leaves the listening socket to the garbage collector.
        if moto._server is not None:
            moto._server.server_close()


def find_chromium() -> Path | None:
    """Find the system's Chromium."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return next((Path(path) for path in found if path), None)


def free_port() -> int:
    """Give a port on 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _server(name: str, endpoint_url: str, key: Credentials, *, strict: bool) -> S3Server:
    return S3Server(
        name=name,
        endpoint_url=endpoint_url,
        access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key,
        strict=strict,
    )
