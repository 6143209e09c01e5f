"""The examples of `docs/proxies.md` let uploads through, and refuse what the page says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from tests.support.buckets import set_up
from tests.support.proxies import PROXIES, SERVICE, STORE, STORE_PROXY, running
from tests.support.servers import S3Server
from tests.support.service import authorization, settings_for
from tests.support.stories.serving import served

from uploadsvc.app import create_app
from uploadsvc.settings import Settings

LONG = "x" * 15_900
"""A token as long as the service's limit for a head allows."""


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """Call servers whose certificates sign themselves."""
    async with httpx.AsyncClient(verify=False, trust_env=False, timeout=20) as client:  # noqa: S501
        yield client


async def uploaded(http: httpx.AsyncClient, service: str, content: bytes) -> str:
    """Upload by the service at an address, and return the URL that the bytes went to."""
    about = {"filename": "a b/ü.txt", "content_type": "text/plain", "size": len(content), "method": "put"}
    created = await http.post(f"{service}/v1/uploads", json=about, headers=authorization("alice"))
    assert created.status_code == 201, created.text
    upload = created.json()
    sent = await http.put(upload["url"], headers=upload["headers"], content=content)
    assert sent.status_code == 200, sent.text
    completed = await http.post(
        f"{service}/v1/uploads/{upload['id']}/complete", headers=authorization("alice")
    )
    assert completed.json()["object"]["size"] == len(content)
    return str(upload["url"])


@pytest.mark.parametrize("name", PROXIES)
async def test_a_proxy_before_the_service(
    name: str, seaweedfs: S3Server, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    """It passes long ids and tokens, refuses long bodies, and says itself where a request comes from."""
    app = create_app(Settings.model_validate(settings_for(seaweedfs)))
    seen: list[dict[bytes, bytes]] = []

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            seen.append(dict(scope["headers"]))
        await app(scope, receive, send)

    async with asyncio.timeout(60), AsyncExitStack() as stack:
        service = await stack.enter_async_context(served(watched))
        moved = {SERVICE: urlsplit(service).netloc}
        proxy = await stack.enter_async_context(running(PROXIES[name], tmp_path, moved))
        await uploaded(http, proxy, b"through a proxy")
        head = {"Authorization": f"Bearer {LONG}", "X-Forwarded-For": "192.0.2.1"}
        long = await http.get(f"{proxy}/v1/policies", headers=head)
        assert (long.status_code, long.json()["code"]) == (401, "unauthenticated")
        assert seen[-1][b"x-forwarded-for"] == b"127.0.0.1"
        assert seen[-1][b"x-forwarded-proto"] == b"https"
        big = await http.post(f"{proxy}/v1/uploads", content=bytes(1_100_000), headers=authorization("alice"))
        assert big.status_code == 413


async def test_a_proxy_before_the_store(seaweedfs: S3Server, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """The address in URLs is the proxy's; bodies above nginx's own limit pass, and signatures stay whole."""
    s3 = replace(seaweedfs, bucket=await seaweedfs.create_bucket())
    async with asyncio.timeout(60), running(STORE_PROXY, tmp_path, {STORE: s3.endpoint_url}) as front:
        settings = settings_for(s3, s3={"public_endpoint_url": front})
        await set_up(s3, settings)
        async with served(create_app(Settings.model_validate(settings))) as service:
            url = await uploaded(http, service, bytes(3_000_000))
            assert url.startswith(f"{front}/{s3.bucket}/uploads/alice/")
