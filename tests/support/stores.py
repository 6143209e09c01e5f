"""S3 servers that browser tests run on: SeaweedFS, and LocalStack where it proves more."""

from typing import Final

import pytest
from tests.support.servers import S3Server

on_both_stores: Final = pytest.mark.parametrize("s3", ["seaweedfs", "localstack"], indirect=True)
"""Runs a test on LocalStack too, for what differs there: CORS, `Location`, checks of signatures."""


@pytest.fixture
def s3(request: pytest.FixtureRequest) -> S3Server:
    """Run on SeaweedFS, which refuses nearly all that AWS refuses, unless marked otherwise."""
    server = request.getfixturevalue(getattr(request, "param", "seaweedfs"))
    assert isinstance(server, S3Server)
    return server
