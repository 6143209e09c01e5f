"""Files that do not match their type are refused, and files wait for their scanner."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.corpus import FILES
from tests.support.receipt_tokens import claims_of
from tests.support.servers import S3Server
from tests.support.service import service_client, settings_for
from tests.support.transfers import content_of, create, post, put

PNG: Final = FILES["png"][0]
PAGE: Final = b"<!DOCTYPE html><script>alert(1)</script>"
POLICIES: Final[dict[str, dict[str, Any]]] = {
    "default": {"available_when": {"tag": "scan", "value": "clean"}, "verify_content": True},
    "strict": {"verify_content": True, "delete_mismatched": True},
}


@pytest.fixture
async def api(s3: S3Server, user: str) -> AsyncIterator[httpx.AsyncClient]:
    """Call the service as `user`."""
    async with service_client(settings_for(s3, policies=POLICIES), user=user) as client:
        yield client


async def tag(s3: S3Server, key: str, value: str) -> None:
    """Tag an object as a scanner does."""
    async with s3.client() as scanner:
        tags: Any = [{"Key": "scan", "Value": value}]
        await scanner.put_object_tagging(Bucket=s3.bucket, Key=key, Tagging={"TagSet": tags})


@pytest.mark.parametrize("method", ["put", "post", "multipart"])
async def test_a_mismatched_file_is_refused_and_deleted(
    api: httpx.AsyncClient, http: httpx.AsyncClient, s3: S3Server, method: str
) -> None:
    """By every method; what is what it says passes, also if it is longer than what is looked at."""
    for content, code in ((PNG + bytes(10_000), None), (PAGE, "content_mismatch"), (b"", "content_mismatch")):
        if not content and method == "multipart":
            continue
        upload = await create(
            api, policy="strict", method=method, content_type="image/png", size=len(content)
        )
        if method == "post":
            (await post(http, upload, content)).raise_for_status()
        else:
            target = {**upload, **(upload["parts"][0] if method == "multipart" else {})}
            (await put(http, target, content)).raise_for_status()
        answer = await api.post(f"/v1/uploads/{upload['id']}/complete")
        assert answer.json().get("code") == code
        async with s3.client() as client:
            left = await client.list_objects_v2(Bucket=s3.bucket, Prefix=upload["key"])
        assert left["KeyCount"] == (1 if code is None else 0)
        if code is None:
            claims = claims_of(answer.json()["receipt"])
            assert claims["detected_type"] == "image/png"
            assert "available" not in claims


async def test_a_download_waits_for_the_scanner(
    api: httpx.AsyncClient, http: httpx.AsyncClient, s3: S3Server
) -> None:
    upload = await create(api, content_type="image/png", size=len(PNG))
    (await put(http, upload, PNG)).raise_for_status()
    complete, key = f"/v1/uploads/{upload['id']}/complete", upload["key"]
    assert claims_of((await api.post(complete)).json()["receipt"])["available"] is False
    waiting = await api.post("/v1/downloads", json={"key": key})
    assert (waiting.status_code, waiting.json()["code"]) == (409, "object_unavailable")
    assert waiting.headers["Retry-After"] == "5"
    await tag(s3, key, "infected")
    refused = await api.post("/v1/downloads", json={"key": key, "disposition": "inline"})
    assert (refused.status_code, refused.json()["code"]) == (409, "object_unavailable")
    assert "Retry-After" not in refused.headers
    await tag(s3, key, "clean")
    assert await content_of(api, http, key) == PNG
    assert claims_of((await api.post(complete)).json()["receipt"])["available"] is True


# LocalStack checks neither unsigned headers nor forms.
@pytest.mark.parametrize("s3", ["seaweedfs"], indirect=True)
async def test_a_client_cannot_release_its_own_file(
    api: httpx.AsyncClient, http: httpx.AsyncClient, s3: S3Server
) -> None:
    """Neither by a header nor by a form field: S3 refuses what was not signed, or does not keep it."""
    header = {"x-amz-tagging": "scan=clean"}
    upload = await create(api, content_type="image/png", size=len(PNG))
    await put(http, upload, PNG, headers=header)
    form = await create(api, method="post", content_type="image/png", size=len(PNG))
    tagging = "<Tagging><TagSet><Tag><Key>scan</Key><Value>clean</Value></Tag></TagSet></Tagging>"
    await post(http, form, PNG, fields={"tagging": tagging})
    bare = (await api.get("/uploads", params={"policy": "strict", "size": len(PNG)})).json()["url"]
    await http.put(bare, content=PNG, headers=header)
    for key in (upload["key"], form["key"], urlsplit(bare).path.removeprefix(f"/{s3.bucket}/")):
        answer = await api.post("/v1/downloads", json={"key": key})
        assert answer.json()["code"] in {"not_found", "object_unavailable"}


async def test_only_the_scanned_version_is_released(s3: S3Server, user: str, http: httpx.AsyncClient) -> None:
    """A bucket of its own keeps versions; the file is replaced after its scan."""
    versioned = replace(s3, bucket=await s3.create_bucket())
    async with versioned.client() as client:
        enabled: Any = {"Status": "Enabled"}
        await client.put_bucket_versioning(Bucket=versioned.bucket, VersioningConfiguration=enabled)
    policy = {**POLICIES["default"], "key": "a.png", "overwrite": True}
    async with service_client(settings_for(versioned, policies={"default": policy}), user=user) as api:
        for content in (PNG, PNG + b"2"):
            upload = await create(api, content_type="image/png", size=len(content))
            (await put(http, upload, content)).raise_for_status()
            if content == PNG:
                await tag(versioned, upload["key"], "clean")
                scanned = await api.post("/v1/downloads", json={"key": upload["key"]})
        assert (await http.get(scanned.json()["url"])).content == PNG
        answer = await api.post("/v1/downloads", json={"key": upload["key"]})
        assert answer.json()["code"] == "object_unavailable"
