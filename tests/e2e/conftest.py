"""Fixtures of the end-to-end tests: SeaweedFS, LocalStack, moto and Chromium."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, async_playwright, expect
from tests.support.localstack import LOCALSTACK_PYTHON, localstack_server
from tests.support.moto import _moto, moto_server
from tests.support.servers import (
    S3Server,
    find_chromium,
    seaweedfs_server,
    seaweedfs_with_bucket_address,
)
from tests.support.sts import seaweedfs_with_sts, with_session

__all__ = ["_moto", "moto_server"]


_PAGE_TIMEOUT = 30_000
"""Milliseconds that a page may take for what a test waits for."""

_FLAGS = [
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"),
    # Names by which a browser does not know this machine, so that plain HTTP is not secure to it.
    "--host-resolver-rules=MAP *.test 127.0.0.1",
]


@pytest.fixture(scope="session")
async def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[S3Server]:
    """Run a SeaweedFS, which refuses nearly all that AWS refuses."""
    async with seaweedfs_server(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
async def _bound_s3(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[S3Server]:
    async with seaweedfs_with_bucket_address(tmp_path_factory.mktemp("seaweedfs-bound")) as server:
        yield server


@pytest.fixture
async def bound_s3(_bound_s3: S3Server) -> S3Server:
    """Give a test a bucket that has an address of its own, at 127.0.0.1, and no objects."""
    async with _bound_s3.client() as client:
        for listed in (await client.list_objects_v2(Bucket=_bound_s3.bucket)).get("Contents", []):
            await client.delete_object(Bucket=_bound_s3.bucket, Key=listed["Key"])
    return _bound_s3


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
def chromium() -> Path:
    """Find the system's Chromium."""
    path = find_chromium()
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    # Its own five seconds are few on a busy machine.
    expect.set_options(timeout=_PAGE_TIMEOUT)
    return path


@pytest.fixture(scope="session")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    """Run the system's Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(chromium), args=_FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def own_browser(chromium: Path) -> AsyncIterator[Browser]:
    """Run a Chromium for one test, in which no other has opened a page."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(chromium), args=_FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Give a test a profile of its own in the browser."""
    context = await browser.new_context()
    context.set_default_timeout(_PAGE_TIMEOUT)
    yield context
    await context.close()
