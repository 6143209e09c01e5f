"""Fixtures that more than one test module uses."""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.localstack import LOCALSTACK_PYTHON, localstack_server
from tests.servers import S3Server, find_chromium, moto_server_running, seaweedfs_server
from tests.sts import seaweedfs_with_sts, with_session

pytest_plugins = ["pytester", "tests.skips"]


@pytest.fixture(scope="session", autouse=True)
def _own_environment() -> Iterator[None]:
    """Keep the settings of whoever runs the tests out of them: AWS's, this service's, and proxies."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "UPLOADSVC_")):
                patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setenv("no_proxy", "127.0.0.1,localhost")
        yield


@pytest.fixture(scope="session")
async def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[S3Server]:
    """Run a SeaweedFS, which refuses nearly all that AWS refuses."""
    async with seaweedfs_server(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
async def sts_s3(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[S3Server]:
    """Run a SeaweedFS with a token service (STS); LocalStack has none without moto."""
    async with seaweedfs_with_sts(tmp_path_factory.mktemp("seaweedfs-sts")) as server:
        yield server


@pytest.fixture
async def session_s3(sts_s3: S3Server) -> S3Server:
    """Give a test a session's key of its own: one lasts for less than all tests together."""
    return await with_session(sts_s3)


@pytest.fixture(scope="session")
async def localstack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[S3Server]:
    """Run a LocalStack, as the container runs beside one."""
    if not (LOCALSTACK_PYTHON.parent.parent / ".ready").exists():
        pytest.skip("LocalStack is not installed: make .venv-localstack/.ready")
    async with localstack_server(tmp_path_factory.mktemp("localstack")) as server:
        yield server


@pytest.fixture(params=["seaweedfs", "localstack"])
def s3(request: pytest.FixtureRequest) -> S3Server:
    """Run a test on SeaweedFS, then on LocalStack."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, S3Server)
    return server


@pytest.fixture(scope="session")
def _moto() -> Iterator[S3Server]:
    with moto_server_running() as server:
        yield server


@pytest.fixture
async def moto_server(_moto: S3Server) -> S3Server:
    """Give a test a bucket of its own in moto, which is fast but checks no signature."""
    return replace(_moto, bucket=await _moto.create_bucket())


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Find the system's Chromium."""
    path = find_chromium()
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    return path
