"""Fixtures of the contract tests."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import httpx
import pytest
from tests.support.contract.stage import Stage, plain_settings
from tests.support.servers import S3Server
from tests.support.service import service_client


@pytest.fixture(scope="module")
async def server(_moto: S3Server) -> S3Server:
    """Provide a bucket for these tests."""
    return replace(_moto, bucket=await _moto.create_bucket())


@pytest.fixture(scope="module")
async def plain(server: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the app without any fault."""
    async with service_client(plain_settings(server)) as client:
        yield client


@pytest.fixture
async def stage(
    plain: httpx.AsyncClient, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        yield Stage(plain, server, monkeypatch, stack)
