"""The public address is checked like a browser would use it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.support.doctor import Findings, examine, of_status, prepare, settings_of, traces
from tests.support.fault_proxy import Answer, fault_proxy
from tests.support.servers import S3Server, free_port


@pytest.fixture
async def server(seaweedfs: S3Server) -> S3Server:
    """Give a bucket of one's own, with all rules."""
    own = replace(seaweedfs, bucket=await seaweedfs.create_bucket())
    await prepare(settings_of(own))
    return own


async def examined(server: S3Server, public: str, **sections: Any) -> Findings:  # noqa: ANN401 - sections
    """Examine a server whose browsers are sent elsewhere; nothing is left."""
    found = await examine(settings_of(server, s3={"public_endpoint_url": public}, **sections))
    assert await traces(server) == []
    return found


async def test_a_transparent_proxy_passes(server: S3Server) -> None:
    """Canaries and preflights go through it."""
    async with fault_proxy(server.endpoint_url) as proxy:
        found = await examined(server, proxy.url)
    assert of_status(found, "failed", "warning") == set()
    assert {"OPTIONS", "PUT", "POST", "GET"} <= {exchange.method for exchange in proxy.exchanges}


@asynccontextmanager
async def rewriting(upstream: str) -> AsyncIterator[str]:
    """Run a proxy that writes its own name for the store into Host, as many do by default."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        kept = [line for line in head if not line.lower().startswith(("host:", "connection:"))]
        kept[1:1] = ["Host: store.internal", "Connection: close"]
        host, _, port = upstream.removeprefix("http://").partition(":")
        answers, sink = await asyncio.open_connection(host, int(port))
        sink.write("\r\n".join(kept).encode("latin-1"))
        writer.write(await answers.read())
        for stream in (sink, writer):
            stream.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"
    finally:
        running.close()
        await running.wait_closed()


async def test_a_proxy_that_rewrites_host_is_named(server: S3Server) -> None:
    """Host is signed, so S3 refuses every URL. The store itself is still checked."""
    async with rewriting(server.endpoint_url) as url:
        found = await examined(server, url)
    assert of_status(found, "failed", "warning") == {"public-endpoint"}
    assert "403 SignatureDoesNotMatch" in found["public-endpoint"].found
    assert "Host" in found["public-endpoint"].mend
    assert {"canary:put", "etag"} <= of_status(found, "ok")


async def test_another_server_at_the_address_is_named(server: S3Server) -> None:
    """Such as a web server."""
    async with fault_proxy(server.endpoint_url) as proxy:
        proxy.rule = lambda _: Answer(status=200, body=b"<html>welcome</html>")
        found = await examined(server, proxy.url)
    assert of_status(found, "failed", "warning") == {"public-endpoint"}


async def test_an_unreachable_address_is_a_warning(server: S3Server) -> None:
    """Browsers may be elsewhere; the store is checked at its inner address."""
    found = await examined(server, f"http://localhost:{free_port()}")
    assert of_status(found, "failed", "warning") == {"public-endpoint"}
    assert found["public-endpoint"].status == "warning"
    assert "from here" in found["public-endpoint"].found
    assert {"canary:put", "etag"} <= of_status(found, "ok")


async def test_mixed_content_is_named(server: S3Server) -> None:
    """An HTTPS page may send plain HTTP only to the visitor's own machine."""
    pages = {"allow_origins": ["https://app.example.com"]}
    found = await examined(server, "http://store.invalid", cors=pages)
    assert of_status(found, "failed", "warning") == {"public-endpoint"}
    assert "browsers block mixed content" in found["public-endpoint"].found
    assert "https://" in found["public-endpoint"].mend
    for pages_by in ("http://app.example.com", "https://app.example.com"):
        async with fault_proxy(server.endpoint_url) as proxy:
            found = await examined(server, proxy.url, cors={"allow_origins": [pages_by]})
        assert found["public-endpoint"].status == "ok"


@pytest.mark.parametrize("methods", [["put", "post", "multipart"], ["post"], ["multipart"]])
async def test_an_address_of_the_bucket_alone_is_named(bound_s3: S3Server, methods: list[str]) -> None:
    """It takes a URL that names the bucket too, and the bucket becomes part of the key; the fix works."""
    await prepare(settings_of(bound_s3))
    public = bound_s3.endpoint_url.replace("localhost", "127.0.0.1")
    policies = {"default": {"methods": methods}}
    found = await examined(bound_s3, public, policies=policies)
    assert of_status(found, "failed", "warning") == {"public-endpoint"}
    assert "stored at 127/uploads/.doctor/" in found["public-endpoint"].found
    fix = "UPLOADSVC_S3__PUBLIC_ADDRESSING_STYLE=bucket_endpoint"
    assert fix in found["public-endpoint"].mend
    assert f"canary:{methods[0]}" in of_status(found, "ok"), "the store itself is still checked"
    s3 = {"public_endpoint_url": public, "public_addressing_style": "bucket_endpoint"}
    found = await examine(settings_of(bound_s3, s3=s3, policies=policies))
    assert of_status(found, "failed", "warning") == set()
    assert await traces(bound_s3) == []


async def test_a_url_without_the_bucket_at_an_address_of_all_buckets_is_named(server: S3Server) -> None:
    public = server.endpoint_url.replace("127.0.0.1", "localhost")
    s3 = {"public_endpoint_url": public, "public_addressing_style": "bucket_endpoint"}
    found = await examine(settings_of(server, s3=s3))
    assert of_status(found, "failed", "warning") == {"public-endpoint"}
    assert "UPLOADSVC_S3__PUBLIC_ADDRESSING_STYLE" in found["public-endpoint"].mend


async def test_an_address_of_another_store_is_named(server: S3Server, bound_s3: S3Server) -> None:
    """It knows the same key and a bucket of the same name; what was stored there is deleted there."""
    await bound_s3.create_bucket(server.bucket)
    found = await examined(server, bound_s3.endpoint_url)
    assert of_status(found, "failed", "warning") == {"public-endpoint"}
    assert "stored elsewhere" in found["public-endpoint"].found
    assert await traces(replace(bound_s3, bucket=server.bucket)) == []
