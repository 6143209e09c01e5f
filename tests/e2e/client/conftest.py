"""A terminal, and a service to upload to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.servers import S3Server
from tests.support.terminal import Terminal, terminal


@pytest.fixture
async def term(seaweedfs: S3Server, tmp_path: Path) -> AsyncIterator[Terminal]:
    """Give a terminal; the S3 behind the service is SeaweedFS."""
    async with terminal(seaweedfs, tmp_path) as term:
        yield term


@pytest.fixture
async def any_term(s3: S3Server, tmp_path: Path) -> AsyncIterator[Terminal]:
    """Give a terminal for each S3."""
    async with terminal(s3, tmp_path) as term:
        yield term


@pytest.fixture
async def localstack_term(localstack: S3Server, tmp_path: Path) -> AsyncIterator[Terminal]:
    """Give a terminal; the S3 behind the service is LocalStack, which has checksums of all kinds."""
    async with terminal(localstack, tmp_path) as term:
        yield term
