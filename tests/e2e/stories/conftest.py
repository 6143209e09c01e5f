"""The service as an operator runs it, one process for each S3 server; and a browser."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from tests.support.identity_provider import IdentityProvider, identity_provider
from tests.support.servers import ROOT, S3Server
from tests.support.stores import s3
from tests.support.stories.operated import Operated, environment, operated
from tests.support.stories.second_service import Document

__all__ = ["s3"]

Service = Callable[[S3Server], Awaitable[Operated]]


@pytest.fixture(scope="session")
def document() -> Document:
    """Read the document."""
    return Document(json.loads((ROOT / "openapi.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
async def _service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    running: dict[str, Operated] = {}
    async with AsyncExitStack() as stack:

        async def of(server: S3Server) -> Operated:
            if server.endpoint_url not in running:
                directory = tmp_path_factory.mktemp("service")
                service = operated(directory, environment(server))
                running[server.endpoint_url] = await stack.enter_async_context(service)
            return running[server.endpoint_url]

        yield of


@pytest.fixture
async def service(s3: S3Server, _service: Service) -> Operated:
    """Run ``uploadsvc serve`` over `s3`."""
    return await _service(s3)


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    """Run an identity provider."""
    async with identity_provider() as provider:
        yield provider
