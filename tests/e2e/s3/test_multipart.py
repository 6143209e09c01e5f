"""Multipart uploads on real S3 servers: all parts, and exactly the promised bytes."""

import asyncio
import base64
import hashlib
import re
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.support.api import assert_problem, created
from tests.support.servers import S3Server
from tests.support.service import authorization, service_client, settings_for

MIB = 1024**2
POLICIES = {
    "video": {"part_size": "5MiB", "multipart_threshold": "5MiB", "client_keys": True},
    "replacing": {
        "part_size": "5MiB",
        "client_keys": True,
        "client_keys_prefix": "replacing",
        "overwrite": True,
    },
    "described": {
        "metadata": {"note": None, "source": "tests"},
        "cache_control": "max-age=60",
        "content_disposition": "attachment",
        "tags": {"kind": "a b+c"},
    },
}
CONTENT = bytes(range(256)) * (11 * MIB // 256) + b"the end"


@pytest.fixture
async def api(s3: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Run the app over a real S3."""
    settings = settings_for(s3, policies=POLICIES, objects={"delete": True})
    async with service_client(settings) as client:
        yield client


@pytest.fixture
async def s3_http() -> AsyncIterator[httpx.AsyncClient]:
    """Give what a browser sends bytes with."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        yield client


def body(content: bytes = CONTENT, **fields: object) -> dict[str, Any]:
    """Return a request for a multipart upload."""
    named = {"filename": "film.mp4", "content_type": "video/mp4", "size": len(content), "policy": "video"}
    return {**named, "method": "multipart", **fields}


def slice_of(upload: dict[str, Any], part: dict[str, Any], content: bytes = CONTENT) -> bytes:
    """Return the bytes of a part."""
    start = (part["part_number"] - 1) * upload["part_size"]
    return content[start : start + part["size"]]


async def send(s3_http: httpx.AsyncClient, part: dict[str, Any], content: bytes) -> str:
    """Send a part; return its ETag."""
    answer = await s3_http.put(part["url"], content=content, headers=part["headers"])
    assert answer.status_code == 200, answer.text
    return answer.headers["etag"].strip('"')


async def send_all(s3_http: httpx.AsyncClient, upload: dict[str, Any], content: bytes = CONTENT) -> list[str]:
    """Send all parts that an answer signed."""
    return [await send(s3_http, part, slice_of(upload, part, content)) for part in upload["parts"]]


async def content_of(s3: S3Server, key: str) -> bytes:
    """Return what S3 holds."""
    async with s3.client() as witness:
        stored = await witness.get_object(Bucket=s3.bucket, Key=key)
        return await stored["Body"].read()


async def test_a_file_arrives_in_parts(
    api: httpx.AsyncClient, s3_http: httpx.AsyncClient, s3: S3Server
) -> None:
    """Create, check the status, send, complete twice: S3 has the same bytes and no unfinished upload."""
    upload = created(await api.post("/v1/uploads", json=body(method="auto")))
    assert (upload["method"], upload["part_size"], upload["part_count"]) == ("multipart", 5 * MIB, 3)
    assert [part["size"] for part in upload["parts"]] == [5 * MIB, 5 * MIB, len(CONTENT) - 10 * MIB]
    path = f"/v1/uploads/{upload['id']}"
    state = (await api.get(path)).json()
    assert (state["status"], state["parts"], state["part_count"]) == ("pending", [], 3)
    etag = await send(s3_http, upload["parts"][1], slice_of(upload, upload["parts"][1]))
    state = (await api.get(path)).json()
    assert state["status"] == "uploading"
    assert state["parts"] == [{"part_number": 2, "size": 5 * MIB, "etag": etag}]
    missing = await api.post(f"{path}/complete")
    assert_problem(missing, "upload_incomplete", "parts")
    assert "1, 3" in missing.json()["detail"]
    etags = await send_all(s3_http, upload)
    parts = [{"part_number": n, "etag": f'"{etag}"'} for n, etag in enumerate(etags, 1)]
    first = await api.post(f"{path}/complete", json={"parts": parts})
    assert first.status_code == 200, first.text
    again = await api.post(f"{path}/complete")
    assert again.json()["object"] == first.json()["object"]
    assert first.json()["replaceable_until"] is None
    assert first.json()["object"]["size"] == len(CONTENT)
    assert (await api.get(path)).json()["status"] == "stored"
    async with s3.client() as witness:
        stored = await witness.get_object(Bucket=s3.bucket, Key=upload["key"])
        assert await stored["Body"].read() == CONTENT
        assert stored["ContentType"] == "video/mp4"
    # Other tests leave some of theirs in this bucket.
    unfinished = (await api.get("/v1/uploads", params={"limit": 1000})).json()["uploads"]
    assert upload["key"] not in {one["key"] for one in unfinished}
    assert (await api.delete(path)).status_code == 204
    assert (await api.delete(path)).status_code == 204


@pytest.mark.parametrize("content", [b"", b"x", b"y" * 5 * MIB], ids=["empty", "byte", "part"])
async def test_one_part_is_enough(api: httpx.AsyncClient, s3_http: httpx.AsyncClient, content: bytes) -> None:
    """An empty file also has one part."""
    upload = created(await api.post("/v1/uploads", json=body(content)))
    assert upload["part_count"] == 1
    await send_all(s3_http, upload, content)
    answer = await api.post(f"/v1/uploads/{upload['id']}/complete")
    assert answer.json()["object"]["size"] == len(content), answer.text


async def test_a_part_has_the_size_and_number_that_were_signed(
    api: httpx.AsyncClient, s3_http: httpx.AsyncClient
) -> None:
    upload = created(await api.post("/v1/uploads", json=body()))
    part = upload["parts"][2]
    for content in (b"x" * (part["size"] + 1), b"x" * (part["size"] - 1)):
        assert (await s3_http.put(part["url"], content=content)).status_code == 403
    other = part["url"].replace("partNumber=3", "partNumber=1")
    assert (await s3_http.put(other, content=b"x" * part["size"])).status_code == 403


async def test_parts_are_signed_again_any_number_of_times(
    api: httpx.AsyncClient, s3_http: httpx.AsyncClient
) -> None:
    upload = created(await api.post("/v1/uploads", json=body()))
    path = f"/v1/uploads/{upload['id']}/parts"
    answer = (await api.post(path, json={"part_numbers": [3, 1]})).json()
    assert [part["part_number"] for part in answer["parts"]] == [3, 1]
    await send(s3_http, answer["parts"][1], CONTENT[: 5 * MIB])
    for numbers in ([0], [4], [10_001], [], ["1"], [1] * 1001):
        answered = await api.post(path, json={"part_numbers": numbers})
        assert answered.json()["code"] == "validation_error", numbers
    one = {"part_numbers": [1], "checksums": ["AAAAAA=="]}
    assert_problem(await api.post(path, json=one), "validation_error", "checksums")
    put = created(await api.post("/v1/uploads", json={"size": 1}))
    answered = await api.post(f"/v1/uploads/{put['id']}/parts", json={"part_numbers": [1]})
    assert_problem(answered, "method_not_available", "id")


def crc32(content: bytes) -> str:
    """Return a CRC-32 as S3 writes it."""
    return base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()


def sha256(content: bytes) -> str:
    """Return a SHA-256 as S3 writes it."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


async def test_s3_compares_the_checksum_of_the_whole_file(
    api: httpx.AsyncClient, s3_http: httpx.AsyncClient
) -> None:
    """S3 combines the CRCs of the parts."""
    for promised, code in ((crc32(CONTENT), None), (crc32(b"other"), "verification_failed")):
        request = body(checksum={"algorithm": "crc32", "value": promised})
        upload = created(await api.post("/v1/uploads", json=request))
        assert upload["parts"] == []
        slices = [CONTENT[start : start + 5 * MIB] for start in range(0, len(CONTENT), 5 * MIB)]
        path = f"/v1/uploads/{upload['id']}"
        asked = {"part_numbers": [1, 2, 3]}
        assert_problem(await api.post(f"{path}/parts", json=asked), "validation_error", "checksums")
        signed = await api.post(f"{path}/parts", json={**asked, "checksums": [crc32(one) for one in slices]})
        parts = signed.json()["parts"]
        refused = await s3_http.put(parts[0]["url"], content=b"z" * 5 * MIB, headers=parts[0]["headers"])
        assert refused.status_code == 400
        for part, content in zip(parts, slices, strict=True):
            await send(s3_http, part, content)
        answer = await api.post(f"{path}/complete")
        if code is not None:
            assert_problem(answer, code)
            continue
        assert answer.json()["object"]["checksum"] == {"algorithm": "crc32", "value": promised}


async def test_sha256_is_a_composite_of_the_parts(
    api: httpx.AsyncClient, s3_http: httpx.AsyncClient, s3: S3Server
) -> None:
    """It may be unknown at creation. Not every store has it."""
    if s3.name == "seaweedfs":
        answer = await api.post("/v1/uploads", json=body(checksum={"algorithm": "sha256"}))
        assert_problem(answer, "method_not_available", "method")
        return
    slices = [CONTENT[start : start + 5 * MIB] for start in range(0, len(CONTENT), 5 * MIB)]
    whole = sha256(b"".join(hashlib.sha256(one).digest() for one in slices))
    for checksum in ({"algorithm": "sha256"}, {"algorithm": "sha256", "value": whole}):
        upload = created(await api.post("/v1/uploads", json=body(checksum=checksum)))
        path = f"/v1/uploads/{upload['id']}"
        asked = {"part_numbers": [1, 2, 3], "checksums": [sha256(one) for one in slices]}
        for part, content in zip(
            (await api.post(f"{path}/parts", json=asked)).json()["parts"], slices, strict=True
        ):
            await send(s3_http, part, content)
        answer = await api.post(f"{path}/complete")
        assert answer.json()["object"]["checksum"] == {"algorithm": "sha256", "value": f"{whole}-3"}


async def test_a_deleted_upload_is_aborted(api: httpx.AsyncClient, s3_http: httpx.AsyncClient) -> None:
    """Its parts are gone, its URLs do not work, and an older object under the key does not complete it."""
    small = b"older"
    older = created(await api.post("/v1/uploads", json=body(small, method="put", relative_key="a")))
    await s3_http.put(older["url"], content=small, headers=older["headers"])
    upload = created(await api.post("/v1/uploads", json=body(small, relative_key="a")))
    await send_all(s3_http, upload, small)
    path = f"/v1/uploads/{upload['id']}"
    assert_problem(await api.post(f"{path}/complete"), "object_exists")
    assert (await api.delete(path)).status_code == 204
    assert (await api.delete(path)).status_code == 204
    assert (await api.get(path)).json()["status"] == "aborted"
    assert_problem(await api.post(f"{path}/complete"), "upload_aborted")
    assert (await s3_http.put(upload["parts"][0]["url"], content=small)).status_code == 404
    assert (await api.get("/v1/object", params={"key": older["key"]})).json()["size"] == len(small)


async def test_an_upload_replaces_an_object_if_the_policy_allows_it(
    api: httpx.AsyncClient, s3_http: httpx.AsyncClient
) -> None:
    """The later upload wins, and the earlier id no longer refers to the object."""
    paths = []
    for content in (b"first", b"second"):
        request = body(content, policy="replacing", relative_key="b")
        upload = created(await api.post("/v1/uploads", json=request))
        await send_all(s3_http, upload, content)
        paths.append(f"/v1/uploads/{upload['id']}")
        answer = await api.post(f"{paths[-1]}/complete")
        assert answer.json()["object"]["size"] == len(content)
    assert (await api.get(paths[0])).json()["status"] == "aborted"
    assert (await api.get(paths[1])).json()["status"] == "stored"


async def test_each_user_lists_their_unfinished_uploads(api: httpx.AsyncClient) -> None:
    """Page by page, with ids for status and DELETE only."""
    carol, dave = authorization("carol"), authorization("dave")
    keys = set()
    for name in ("a", "b", "c"):
        request = body(filename=f"{name}.mp4")
        keys.add(created(await api.post("/v1/uploads", json=request, headers=carol))["key"])
    created(await api.post("/v1/uploads", json=body(), headers=dave))
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await api.get("/v1/uploads", params=query, headers=carol)).json()
        found += page["uploads"]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert {one["key"] for one in found} == keys
    assert len(found) == 3
    for one in found:
        path = f"/v1/uploads/{one['id']}"
        assert_problem(await api.get(path, headers=dave), "not_found")
        state = (await api.get(path, headers=carol)).json()
        assert (state["status"], state["part_count"], state["parts"]) == ("pending", None, [])
        answer = await api.post(f"{path}/parts", json={"part_numbers": [1]}, headers=carol)
        assert_problem(answer, "method_not_available", "id")
        assert_problem(await api.post(f"{path}/complete", headers=carol), "method_not_available", "id")
        assert (await api.delete(path, headers=carol)).status_code == 204
    assert (await api.get("/v1/uploads", headers=carol)).json()["uploads"] == []
    assert_problem(await api.get("/v1/uploads?cursor=x", headers=carol), "validation_error", "cursor")


async def test_another_user_cannot_use_an_id(api: httpx.AsyncClient, s3_http: httpx.AsyncClient) -> None:
    """It is refused like a forged one, and the owner's upload stays as it is."""
    upload = created(await api.post("/v1/uploads", json=body()))
    await send_all(s3_http, upload)
    path, bob = f"/v1/uploads/{upload['id']}", authorization("bob")
    for answer in (
        await api.get(path, headers=bob),
        await api.post(f"{path}/parts", json={"part_numbers": [1]}, headers=bob),
        await api.post(f"{path}/complete", headers=bob),
        await api.delete(path, headers=bob),
    ):
        assert_problem(answer, "not_found")
    assert (await api.post(f"{path}/complete")).status_code == 200


async def test_a_part_that_is_sent_again_replaces_the_first(
    api: httpx.AsyncClient, s3_http: httpx.AsyncClient, s3: S3Server
) -> None:
    """If the store cannot tell the two apart, the part is requested again."""
    upload = created(await api.post("/v1/uploads", json=body()))
    path = f"/v1/uploads/{upload['id']}"
    wrong = await send(s3_http, upload["parts"][0], b"z" * 5 * MIB)
    etags = await send_all(s3_http, upload)
    named = [{"part_number": n, "etag": etag} for n, etag in enumerate([wrong, *etags[1:]], 1)]
    refused = await api.post(f"{path}/complete", json={"parts": named})
    assert_problem(refused, "upload_incomplete", "parts")
    # SeaweedFS keeps both, by whole seconds.
    async with asyncio.timeout(30):
        while (answer := await api.post(f"{path}/complete")).status_code != 200:
            assert_problem(answer, "upload_incomplete", "parts")
            assert answer.json()["detail"] == "1 of 3 parts have not arrived: 1."
            await send(s3_http, upload["parts"][0], CONTENT[: 5 * MIB])
    assert await content_of(s3, upload["key"]) == CONTENT


async def test_the_object_has_the_metadata_tags_and_headers_of_the_policy(
    api: httpx.AsyncClient, s3_http: httpx.AsyncClient, s3: S3Server
) -> None:
    request = body(b"film", policy="described", filename="naïve.mp4", metadata={"note": "grün, 50 %"})
    upload = created(await api.post("/v1/uploads", json=request))
    await send_all(s3_http, upload, b"film")
    answer = await api.post(f"/v1/uploads/{upload['id']}/complete")
    assert answer.json()["object"]["metadata"] == {"note": "grün, 50 %", "source": "tests"}
    async with s3.client() as witness:
        stored = await witness.head_object(Bucket=s3.bucket, Key=upload["key"])
        tags = await witness.get_object_tagging(Bucket=s3.bucket, Key=upload["key"])
    assert stored["ContentType"] == "video/mp4"
    assert stored["CacheControl"] == "max-age=60"
    assert stored["ContentDisposition"] == (
        "attachment; filename=\"naive.mp4\"; filename*=UTF-8''na%C3%AFve.mp4"
    )
    assert tags["TagSet"] == [{"Key": "kind", "Value": "a b+c"}]


async def test_an_open_content_type_is_kept_or_guessed_by_the_store(
    api: httpx.AsyncClient, s3_http: httpx.AsyncClient
) -> None:
    request = {"size": 4, "method": "multipart", "policy": "video"}
    upload = created(await api.post("/v1/uploads", json=request))
    await send_all(s3_http, upload, b"film")
    answer = await api.post(f"/v1/uploads/{upload['id']}/complete")
    assert answer.status_code == 200, answer.text


async def test_a_key_may_have_any_characters(
    api: httpx.AsyncClient, s3_http: httpx.AsyncClient, s3: S3Server
) -> None:
    names = ["写真 #1/naïve+100%&=;.mp4", "写真 #1/\u3000\u200b'\"<🎞>.mp4", "写真 #1/~*()!@$,:[]{}|^`.mp4"]
    erin = authorization("erin")
    uploads = {}
    for name in names:
        request = body(b"film", relative_key=name)
        upload = created(await api.post("/v1/uploads", json=request, headers=erin))
        assert upload["key"] == f"uploads/erin/{name}"
        await send_all(s3_http, upload, b"film")
        uploads[upload["key"]] = upload["id"]
    found: list[str] = []
    query: dict[str, str | int] = {"limit": 1}
    while query.get("cursor") != "":
        answer = await api.get("/v1/uploads", params=query, headers=erin)
        assert answer.status_code == 200, answer.text
        found += [one["key"] for one in answer.json()["uploads"]]
        query["cursor"] = answer.json()["cursor"] or ""
    assert sorted(found) == sorted(uploads)
    for key, upload_id in uploads.items():
        assert (await api.post(f"/v1/uploads/{upload_id}/complete", headers=erin)).status_code == 200
        assert await content_of(s3, key) == b"film"


async def test_session_credentials_sign_parts_with_their_token(
    session_s3: S3Server, s3_http: httpx.AsyncClient
) -> None:
    async with service_client(settings_for(session_s3, policies=POLICIES)) as api:
        upload = created(await api.post("/v1/uploads", json=body()))
        path = f"/v1/uploads/{upload['id']}"
        bare = re.sub("&X-Amz-Security-Token=[^&]*", "", upload["parts"][0]["url"])
        assert bare != upload["parts"][0]["url"]
        assert (await s3_http.put(bare, content=CONTENT[: 5 * MIB])).status_code == 403
        signed = await api.post(f"{path}/parts", json={"part_numbers": [1, 2, 3]})
        await send_all(s3_http, {**upload, **signed.json()})
        assert (await api.post(f"{path}/complete")).status_code == 200
    assert await content_of(session_s3, upload["key"]) == CONTENT
