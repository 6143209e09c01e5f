"""A presigned PUT accepts exactly the promised file, once."""

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.support.servers import S3Server
from tests.support.service import service_client, settings_for
from tests.support.transfers import content_of, create, put

CONTENT = b"hello, bytes"
SHA256 = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
OTHER_SHA256 = base64.b64encode(hashlib.sha256(b"other bytes!").digest()).decode()


async def text(api: httpx.AsyncClient, **request: object) -> dict[str, Any]:
    """Create an upload of a text file of the size of `CONTENT`."""
    request = {"filename": "a.txt", "content_type": "text/plain", "size": len(CONTENT), **request}
    upload = await create(api, **request)
    assert upload["method"] == "put"
    return upload


async def test_the_promised_bytes_are_taken(api: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """What was promised is stored as it was sent, with its type."""
    upload = await text(api)
    assert (await put(http, upload, CONTENT)).status_code == 200
    assert await content_of(api, http, upload["key"]) == CONTENT
    facts = (await api.get("/v1/object", params={"key": upload["key"]})).json()
    assert (facts["size"], facts["content_type"]) == (len(CONTENT), "text/plain")


async def test_an_empty_file_is_taken(api: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """Zero bytes are a size like any other."""
    upload = await text(api, size=0)
    assert (await put(http, upload, b"x")).status_code == 403
    assert (await put(http, upload, b"")).status_code == 200
    done = await api.post(f"/v1/uploads/{upload['id']}/complete")
    assert done.json()["object"]["size"] == 0


@pytest.mark.parametrize("content", [CONTENT + b"!", CONTENT[:-1], b""], ids=["longer", "shorter", "empty"])
async def test_another_length_is_refused(
    api: httpx.AsyncClient, http: httpx.AsyncClient, content: bytes
) -> None:
    """The exact size is signed."""
    upload = await text(api)
    assert (await put(http, upload, content)).status_code == 403
    assert (await api.get(f"/v1/uploads/{upload['id']}")).json()["status"] == "pending"


@pytest.mark.parametrize("value", [None, "something/else"], ids=["dropped", "changed"])
@pytest.mark.parametrize(
    "name",
    [
        "Content-Type",
        "If-None-Match",
        "Cache-Control",
        "x-amz-meta-note",
        "x-amz-tagging",
        "x-amz-checksum-sha256",
    ],
)
async def test_every_header_is_signed(
    api: httpx.AsyncClient, http: httpx.AsyncClient, name: str, value: str | None
) -> None:
    """Whichever header is left out or changed, S3 refuses; sent as they are, it takes them."""
    checksum = {"algorithm": "sha256", "value": SHA256}
    upload = await text(api, policy="tagged", metadata={"note": "n"}, checksum=checksum)
    assert name in upload["headers"]
    assert (await put(http, upload, CONTENT, headers={name: value})).status_code == 403
    assert (await api.get(f"/v1/uploads/{upload['id']}")).json()["status"] == "pending"
    assert (await put(http, upload, CONTENT)).status_code == 200


@pytest.mark.parametrize(
    "name", ["x-amz-copy-source", "x-amz-meta-uploadsvc-upload", "x-amz-acl", "x-amz-tagging"]
)
async def test_a_header_of_s3_cannot_be_added(
    api: httpx.AsyncClient, http: httpx.AsyncClient, s3: S3Server, name: str
) -> None:
    """Nor to a bare URL or a part: a copy header could read another user's object."""
    async with s3.client() as admin:
        await admin.put_object(Bucket=s3.bucket, Key="uploads/other/secret", Body=CONTENT)
    added = {name: f"/{s3.bucket}/uploads/other/secret" if name == "x-amz-copy-source" else "public-read"}
    upload = await create(api, size=len(CONTENT))
    assert (await put(http, upload, CONTENT, headers=added)).status_code == 403
    parts = await create(api, size=len(CONTENT), method="multipart")
    assert (await http.put(parts["parts"][0]["url"], content=CONTENT, headers=added)).status_code == 403
    bare = (await api.get("/uploads")).json()["url"]
    assert (await http.put(bare, content=CONTENT, headers=added)).status_code == 403
    assert (await api.get("/v1/objects")).json()["objects"] == []


async def test_another_key_is_refused(api: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """A URL is good for its own key."""
    upload = await text(api)
    altered = {**upload, "url": upload["url"].replace("a.txt?", "b.txt?")}
    assert altered["url"] != upload["url"]
    assert (await put(http, altered, CONTENT)).status_code == 403


@pytest.mark.parametrize(
    "parameter", ["X-Amz-Expires", "X-Amz-Date", "X-Amz-Signature", "X-Amz-SignedHeaders"]
)
async def test_an_edited_query_is_refused(
    api: httpx.AsyncClient, http: httpx.AsyncClient, parameter: str
) -> None:
    """No parameter can be edited: not the expiry, the date, the signature or the list of what is signed."""
    upload = await text(api)
    edited = {
        "X-Amz-Expires": "86400",
        "X-Amz-Date": f"{datetime.now(UTC) + timedelta(seconds=30):%Y%m%dT%H%M%SZ}",
        "X-Amz-Signature": "0" * 64,
        "X-Amz-SignedHeaders": "host",
    }[parameter]
    url, count = re.subn(rf"(?<=[?&]{parameter}=)[^&]*", edited, upload["url"])
    assert count == 1
    assert url != upload["url"]
    altered = {**upload, "url": url}
    assert (await put(http, altered, CONTENT)).status_code == 403


async def test_an_expired_url_is_refused(s3: S3Server, http: httpx.AsyncClient) -> None:
    """Signed an hour ago for fifteen minutes; the same request signed now is taken."""
    async with service_client(settings_for(s3), clock=lambda: datetime.now(UTC) - timedelta(hours=1)) as api:
        upload = await text(api)
    assert (await put(http, upload, CONTENT)).status_code == 403
    async with service_client(settings_for(s3)) as api:
        assert (await put(http, await text(api), CONTENT)).status_code == 200


async def test_the_second_put_is_refused(api: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """A URL writes once: a leaked one cannot replace what is there."""
    upload = await text(api)
    assert (await put(http, upload, CONTENT)).status_code == 200
    assert (await put(http, upload, b"other bytes!")).status_code == 412
    assert await content_of(api, http, upload["key"]) == CONTENT


async def test_other_bytes_than_the_checksum_are_refused(
    api: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    """S3 hashes what arrives: other bytes of the same size are refused, and the right ones are confirmed."""
    wrong = await text(api, checksum={"algorithm": "sha256", "value": OTHER_SHA256})
    assert (await put(http, wrong, CONTENT)).status_code == 400
    right = await text(api, checksum={"algorithm": "sha256", "value": SHA256})
    assert (await put(http, right, CONTENT)).status_code == 200
    done = await api.post(f"/v1/uploads/{right['id']}/complete")
    assert done.status_code == 200
    assert done.json()["object"]["checksum"] in (None, {"algorithm": "sha256", "value": SHA256})


async def test_metadata_comes_back_as_it_was_given(api: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """Unicode too, beside the operator's own; the caller's names are the policy's."""
    note = "Grüße, 世界 🎉 = 100 %"
    upload = await text(api, policy="notes", metadata={"note": note})
    assert (await put(http, upload, CONTENT)).status_code == 200
    done = await api.post(f"/v1/uploads/{upload['id']}/complete")
    assert done.json()["object"]["metadata"] == {"note": note, "source": "tests"}
    refused = await api.post("/v1/uploads", json={"size": 1, "policy": "notes", "metadata": {"other": "x"}})
    assert refused.json()["code"] == "metadata_not_allowed"
