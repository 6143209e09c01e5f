"""The service over real S3 servers: one app for each server, shared by the tests, and a plain HTTP client."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
from tests.support.servers import S3Server
from tests.support.service import authorization, service_client, settings_for

POLICIES: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "ranged": {"min_size": 4, "max_size": 16, "content_types": ["text/plain", "image/*"]},
    "text": {"content_types": ["text/plain"], "max_size": 1024},
    "keys": {"client_keys": True},
    "compressed": {"content_encodings": ["gzip"]},
    "replace": {"client_keys": True, "client_keys_prefix": "replace", "overwrite": True},
    "notes": {"metadata": {"note": None, "source": "tests"}, "cache_control": "max-age=60"},
    "tagged": {"metadata": {"note": None}, "cache_control": "max-age=60", "tags": {"kind": "test"}},
}

Service = Callable[[S3Server], Awaitable[httpx.AsyncClient]]


@pytest.fixture(scope="session")
async def _service() -> AsyncIterator[Service]:
    running: dict[str, httpx.AsyncClient] = {}
    async with AsyncExitStack() as stack:

        async def of(server: S3Server) -> httpx.AsyncClient:
            if server.endpoint_url not in running:
                settings = settings_for(server, policies=POLICIES, objects={"delete": True})
                client = await stack.enter_async_context(service_client(settings, user=None))
                running[server.endpoint_url] = client
            return running[server.endpoint_url]

        yield of


@pytest.fixture
def user() -> str:
    """Give a user of whom the bucket holds nothing."""
    return f"user-{uuid4().hex}"


@pytest.fixture
async def api(s3: S3Server, _service: Service, user: str) -> httpx.AsyncClient:
    """Call the service over `s3` as `user`; deleting is on."""
    client = await _service(s3)
    client.headers.update(authorization(user))
    return client


@pytest.fixture
async def strict_api(seaweedfs: S3Server, _service: Service, user: str) -> httpx.AsyncClient:
    """Call the service over SeaweedFS alone, for what LocalStack does not check."""
    client = await _service(seaweedfs)
    client.headers.update(authorization(user))
    return client


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """Speak to S3 as a browser does: with what the service handed out, and nothing else."""
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client
