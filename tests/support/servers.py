"""The S3 servers that tests run against, each started by the tests and gone with them."""

import itertools
import os
import random
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from uuid import uuid4

import aioboto3
from aiobotocore.config import AioConfig
from moto.server import ThreadedMotoServer

from uploadsvc.dev.seaweedfs import run_seaweedfs
from uploadsvc.dev.weed import Push
from uploadsvc.domain.credentials import Credentials

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

ROOT: Final = Path(__file__).resolve().parents[2]
SEAWEEDFS_KEY: Final = Credentials(access_key_id="AKIASEAWEEDFSADMIN00", secret_access_key="s" * 40)
TEST_KEY: Final = Credentials(access_key_id="test", secret_access_key="test")


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
        session_expires_at: The end of that session.
    """

    name: str
    endpoint_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str = "us-east-1"
    bucket: str
    strict: bool
    session_token: str | None = field(default=None, repr=False)
    session_expires_at: datetime | None = None

    @property
    def credentials(self) -> Credentials:
        """The key as the service's own code takes it."""
        return Credentials(
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            session_token=self.session_token,
            expires_at=self.session_expires_at,
        )

    def client(self) -> "AbstractAsyncContextManager[S3Client]":
        """Open a client of it, as an independent witness."""
        client = _session().client(
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
                retries={"total_max_attempts": 1},
            ),
        )
        return cast("AbstractAsyncContextManager[S3Client]", client)

    async def create_bucket(self, bucket: str | None = None) -> str:
        """Make a bucket, of a new name when none is given; give its name."""
        bucket = bucket or f"test-{uuid4().hex}"
        async with self.client() as client:
            await client.create_bucket(Bucket=bucket)
        return bucket


@cache
def _session() -> aioboto3.Session:
    return aioboto3.Session()


@asynccontextmanager
async def seaweedfs_server(directory: Path, *, push: Push | None = None) -> AsyncIterator[S3Server]:
    """Run SeaweedFS, the strict one, over a directory."""
    async with run_seaweedfs(directory=directory, credentials=SEAWEEDFS_KEY, push=push) as running:
        server = server_at("seaweedfs", running.endpoint_url, SEAWEEDFS_KEY, strict=True)
        await server.create_bucket(server.bucket)
        yield server


@asynccontextmanager
async def seaweedfs_with_bucket_address(directory: Path) -> AsyncIterator[S3Server]:
    """Run a SeaweedFS that has an address for one bucket alone, as a custom domain is.

    To it the host ``127.0.0.1`` is the bucket ``127`` of the domain ``0.0.1``; ``localhost`` has all buckets.
    """
    domain = ["-s3.domainName=0.0.1"]
    async with run_seaweedfs(
        directory=directory, credentials=SEAWEEDFS_KEY, extra_arguments=domain
    ) as running:
        url = running.endpoint_url.replace("127.0.0.1", "localhost")
        server = replace(server_at("seaweedfs", url, SEAWEEDFS_KEY, strict=True), bucket="127")
        await server.create_bucket(server.bucket)
        yield server


@contextmanager
def moto_server_running() -> Iterator[S3Server]:
    """Run moto on a thread: it checks no signature, but is fast and keeps state as S3 does."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        yield server_at("moto", f"http://{host}:{port}", TEST_KEY, strict=False)
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
    """Give a port on 127.0.0.1 that nobody uses now, for a program that starts later.

    Until then the kernel could give one of its own choice to any connection, and another process of the tests
    could choose the same. These are not among the kernel's, and each process has its own.
    """
    for port in _ports():
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    message = "no port is free"
    raise RuntimeError(message)


@cache
def _ports() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 16
    # Above those of the embedded S3, below the ephemeral ones.
    ports = [*range(30_000 + worker * 170, 30_170 + worker * 170)]
    # Another run of the tests at the same time has them in another order.
    random.shuffle(ports)
    return itertools.cycle(ports)


def server_at(name: str, endpoint_url: str, key: Credentials, *, strict: bool) -> S3Server:
    """Describe a server to come: the name of its bucket is a new one."""
    return S3Server(
        name=name,
        endpoint_url=endpoint_url,
        access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key,
        # LocalStacks that run at once keep what they store in one place, by the name of the bucket.
        bucket=f"uploads-{uuid4().hex}",
        strict=strict,
    )
