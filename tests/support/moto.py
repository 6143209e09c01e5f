"""Fixtures: moto, which is fast and checks no signature."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.support.servers import S3Server, moto_server_running

__all__ = ["_moto", "moto_server"]


@pytest.fixture(scope="session")
def _moto() -> Iterator[S3Server]:
    with moto_server_running() as server:
        yield server


@pytest.fixture
async def moto_server(_moto: S3Server) -> S3Server:
    """Give a test a bucket of its own in moto, which is fast but checks no signature."""
    return replace(_moto, bucket=await _moto.create_bucket())
