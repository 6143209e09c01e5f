"""`POST /uppy/sign`: requests of an app's ``signRequest`` function."""

import re
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest
from structlog.testing import capture_logs
from tests.support.api import query
from tests.support.servers import S3Server
from tests.support.service import authorization, service_client, settings_for

MIB: Final = 1024**2
POLICIES: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "open": {"unsized_multipart": True, "max_size": 6 * MIB, "min_size": 2, "max_expires_in": 1000},
    "rich": {
        "unsized_multipart": True,
        "cache_control": "max-age=60",
        "metadata": {"origin": "web"},
        "content_types": ["image/*"],
    },
    "replaced": {"unsized_multipart": True, "overwrite": True},
    "small": {"max_size": 10, "min_size": 2},
    "images": {"content_types": ["image/*"]},
    "keyed": {"client_keys": True},
    "free": {
        "client_keys": True,
        "client_keys_prefix": "free",
        "overwrite": True,
        "unsized_multipart": True,
    },
    "summed": {"checksum": "required"},
    "puts": {"methods": ["put"]},
    "counted": {"unsized_multipart": True, "quota": "100B/day", "max_size": 60},
}
NEW_KEY: Final = r"uploads/alice/[0-9a-f-]{36}/a b\.txt"
MINE: Final = "uploads/alice/film.mp4"
IN_FOLDER: Final = "uploads/alice/free/film.mp4"


@pytest.fixture
async def api(moto_server: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app that alice calls."""
    async with service_client(settings_for(moto_server, policies=POLICIES)) as client:
        yield client


async def signed(api: httpx.AsyncClient, **request: object) -> dict[str, Any]:
    """Have a request signed; assert success."""
    answer = await api.post("/uppy/sign", json=request)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    assert body.keys() == {"url", "key", "headers", "fields", "id"}
    return body


async def refused(api: httpx.AsyncClient, **request: object) -> str:
    """Have a request refused; return the code."""
    answer = await api.post("/uppy/sign", json=request)
    body = answer.json()
    assert answer.status_code == body["status"] >= 400
    assert (body["error"], body["message"]) == (body["code"], body["detail"])
    return str(body["code"])


def signed_headers(url: str) -> str:
    """Return the names of a URL's signed headers."""
    return query(url)["X-Amz-SignedHeaders"]


async def begun(api: httpx.AsyncClient, server: S3Server, policy: str) -> tuple[str, str]:
    """Begin a multipart upload as Uppy does; return its key and S3's id."""
    begin = await signed(api, method="POST", key="film.mp4", policy=policy)
    async with httpx.AsyncClient(trust_env=False) as s3:
        answer = await s3.post(begin["url"], headers=begin["headers"])
    assert answer.status_code == 200
    (upload_id,) = re.findall("<UploadId>(.*)</UploadId>", answer.text)
    assert f"<Bucket>{server.bucket}</Bucket>" in answer.text
    return begin["key"], upload_id


async def send_part(api: httpx.AsyncClient, key: str, upload_id: str, size: int, number: int = 1) -> None:
    """Send a part of this size."""
    part = await signed(api, method="PUT", key=key, uploadId=upload_id, partNumber=number, policy="open")
    async with httpx.AsyncClient(trust_env=False) as s3:
        assert (await s3.put(part["url"], content=b"x" * size)).status_code == 200


async def test_a_new_object_gets_a_form_that_enforces_the_policy(api: httpx.AsyncClient) -> None:
    """Uppy's key becomes the filename in a key of the service."""
    put = await signed(api, method="PUT", key="a b.txt", contentType="text/plain", policy="small")
    assert re.fullmatch(NEW_KEY, put["key"])
    assert put["fields"]["key"] == put["key"]
    assert put["fields"]["Content-Type"] == "text/plain"
    assert put["headers"] == {}
    assert put["url"].endswith("/")
    state = (await api.get(f"/v1/uploads/{put['id']}")).json()
    assert (state["key"], state["status"]) == (put["key"], "pending"), "the app may complete it"


async def test_with_a_size_it_gets_an_exact_put(api: httpx.AsyncClient) -> None:
    put = await signed(api, method="PUT", key="a b.txt", contentType="text/plain", size=5, policy="small")
    assert put["fields"] is None
    assert put["headers"] == {"Content-Type": "text/plain", "If-None-Match": "*"}
    assert signed_headers(put["url"]) == "content-length;content-type;host;if-none-match"


async def test_an_older_uppy_gets_a_bare_url(api: httpx.AsyncClient) -> None:
    """It sends no type, and supports neither forms nor headers."""
    put = await signed(api, method="PUT", key="a b.txt")
    assert (put["headers"], put["fields"], put["id"]) == ({}, None, None)
    assert signed_headers(put["url"]) == "host"
    assert re.fullmatch(NEW_KEY, put["key"])
    assert await refused(api, method="PUT", key="a b.txt", policy="small") == "size_required"
    assert await refused(api, method="PUT", key="a.png", policy="images") == "content_type_required"


async def test_with_a_quota_only_what_can_be_counted_is_signed(api: httpx.AsyncClient) -> None:
    """A form takes what it lets through. What begins a multipart upload could be sent many times."""
    assert await refused(api, method="POST", key="film.mp4", policy="counted") == "method_not_available"
    put = {"method": "PUT", "key": "a.txt", "contentType": "text/plain", "policy": "counted"}
    assert (await signed(api, **put))["fields"] is not None
    assert await refused(api, **put) == "quota_exceeded"
    await signed(api, **put, size=40)
    assert await refused(api, **put, size=1) == "quota_exceeded"


async def test_a_key_below_the_callers_prefix_is_used_as_it_is(api: httpx.AsyncClient) -> None:
    """If the policy allows it, and by PUT, because a form cannot forbid overwriting."""
    asked = {"method": "PUT", "key": MINE, "contentType": "video/mp4"}
    put = await signed(api, **asked, size=3, policy="keyed")
    assert put["key"] == MINE
    assert put["headers"]["If-None-Match"] == "*"
    assert await refused(api, **asked, policy="keyed") == "size_required"
    assert await refused(api, **asked) == "forbidden"


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("key", ["uploads/bob/film.mp4", "uploads/alice2/x", "uploads/x", "uploads/alice"])
async def test_a_key_below_another_users_prefix_is_refused(
    api: httpx.AsyncClient, method: str, key: str
) -> None:
    assert await refused(api, method=method, key=key, contentType="video/mp4", policy="open") == "not_found"


@pytest.mark.parametrize(
    "key", ["uploads/alice/../bob/x", "uploads/alice//x", "uploads/alice/a\\b", "uploads/alice/${filename}"]
)
async def test_a_malformed_key_is_refused(api: httpx.AsyncClient, key: str) -> None:
    assert await refused(api, method="PUT", key=key, contentType="a/b", policy="keyed") == "invalid_key"
    assert await refused(api, method="GET", key=key, uploadId="x", policy="open") == "invalid_key"


async def test_a_multipart_upload_begins_with_the_policys_headers(api: httpx.AsyncClient) -> None:
    """A missing type is guessed from the filename."""
    begin = await signed(api, method="POST", key="a.png", policy="rich")
    assert begin["headers"].pop("x-amz-meta-uploadsvc-upload")
    assert begin["headers"] == {
        "Content-Type": "image/png",
        "Cache-Control": "max-age=60",
        "x-amz-meta-origin": "web",
    }
    assert signed_headers(begin["url"]) == (
        "cache-control;content-type;host;x-amz-meta-origin;x-amz-meta-uploadsvc-upload"
    )
    assert query(begin["url"] + "x")["X-Amz-Signature"]
    assert "uploads=" in begin["url"]
    assert await refused(api, method="POST", key="a.txt", policy="rich") == "content_type_not_allowed"


async def test_later_requests_are_signed_for_this_upload_only(
    api: httpx.AsyncClient, moto_server: S3Server
) -> None:
    key, upload_id = await begun(api, moto_server, "open")
    asked = {"key": key, "uploadId": upload_id, "policy": "open"}
    assert await refused(api, method="PUT", **asked) == "validation_error", "a part has a number"
    part = await signed(api, method="PUT", partNumber=2, **asked)
    assert (query(part["url"])["partNumber"], query(part["url"])["uploadId"]) == ("2", upload_id)
    assert (part["key"], part["headers"], part["fields"]) == (key, {}, None)
    await send_part(api, key, upload_id, 5)
    listing = await signed(api, method="GET", **asked)
    done = await signed(api, method="POST", **asked)
    assert done["headers"] == {"If-None-Match": "*"}
    assert signed_headers(done["url"]) == "host;if-none-match"
    abort = await signed(api, method="DELETE", **asked)
    async with httpx.AsyncClient(trust_env=False) as s3:
        assert "<PartNumber>1</PartNumber>" in (await s3.get(listing["url"])).text
        assert (await s3.delete(abort["url"])).status_code == 204
    assert await refused(api, method="POST", **asked) == "not_found"


async def test_sizes_are_checked_before_a_completion_is_signed(
    api: httpx.AsyncClient, moto_server: S3Server
) -> None:
    """Nothing is verified afterwards: S3 answers Uppy itself."""
    key, upload_id = await begun(api, moto_server, "open")
    asked = {"method": "POST", "key": key, "uploadId": upload_id, "policy": "open"}
    assert await refused(api, **asked) == "file_too_small"
    await send_part(api, key, upload_id, 5 * MIB)
    await signed(api, **asked)
    await send_part(api, key, upload_id, MIB + 1, number=2)
    assert await refused(api, **asked) == "file_too_large"


@pytest.mark.parametrize("method", ["PUT", "GET", "POST", "DELETE"])
async def test_another_users_multipart_upload_is_not_found(
    api: httpx.AsyncClient, moto_server: S3Server, method: str
) -> None:
    """Even to callers who know its key and S3's id."""
    key, upload_id = await begun(api, moto_server, "open")
    asked = {"method": method, "key": key, "uploadId": upload_id, "partNumber": 1, "policy": "open"}
    answer = await api.post("/uppy/sign", json=asked, headers=authorization("bob"))
    assert (answer.status_code, answer.json()["message"]) == (404, "There is no such object.")


async def test_tracked_uploads_cannot_be_continued_here(
    api: httpx.AsyncClient, moto_server: S3Server
) -> None:
    """Nor those of another policy, although part URLs show S3's id."""
    key, upload_id = await begun(api, moto_server, "replaced")
    asked = {"key": key, "uploadId": upload_id, "partNumber": 1}
    await signed(api, method="PUT", policy="replaced", **asked)
    for method in ("PUT", "GET", "POST", "DELETE"):
        assert await refused(api, method=method, policy="open", **asked) == "not_found"
    for policy, filename in (("default", "a.bin"), ("open", "a.bin"), ("open", key.split("/")[2])):
        wanted = {"size": 5, "method": "multipart", "policy": policy, "filename": filename}
        upload = (await api.post("/v1/uploads", json={**wanted, "size": 6 * MIB})).json()
        name = query(upload["parts"][0]["url"])["uploadId"]
        for method in ("PUT", "GET", "POST", "DELETE"):
            again = {"method": method, "key": upload["key"], "uploadId": name, "partNumber": 1}
            assert await refused(api, **again, policy="open") == "not_found"


async def test_existing_objects_are_not_replaced(api: httpx.AsyncClient) -> None:
    """A bare URL cannot forbid overwriting, so a chosen key gets none unless the policy allows it."""
    assert await refused(api, method="PUT", key=MINE, policy="keyed") == "method_not_available"
    assert await refused(api, method="PUT", key=MINE, policy="free") == "invalid_key"
    put = await signed(api, method="PUT", key=IN_FOLDER, policy="free")
    assert (put["key"], signed_headers(put["url"])) == (IN_FOLDER, "host")
    assert await refused(api, method="POST", key=IN_FOLDER, policy="free") == "method_not_available"


async def test_a_store_without_forms_gets_bare_urls(moto_server: S3Server) -> None:
    """For policies without restrictions, because Uppy does not tell the size."""
    policies = {"default": {}, "small": {"max_size": 10}}
    config = settings_for(moto_server, s3={"provider": "r2"}, policies=policies)
    async with service_client(config) as api:
        put = await signed(api, method="PUT", key="a b.txt", contentType="text/plain")
        assert (put["fields"], signed_headers(put["url"])) == (None, "content-type;host")
        asked = {"method": "PUT", "key": "a.txt", "contentType": "text/plain", "policy": "small"}
        assert await refused(api, **asked) == "size_required"


@pytest.mark.parametrize("policy", ["default", "summed", "puts"])
async def test_policies_that_check_parts_have_no_multipart_here(api: httpx.AsyncClient, policy: str) -> None:
    assert await refused(api, method="POST", key="film.mp4", policy=policy) == "method_not_available"
    asked = {"method": "PUT", "key": MINE, "uploadId": "x", "partNumber": 1}
    assert await refused(api, **asked, policy=policy) == "method_not_available"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"method": "GET", "key": MINE}, "method_not_available"),
        ({"method": "DELETE", "key": MINE}, "method_not_available"),
        ({"method": "HEAD", "key": MINE}, "validation_error"),
        ({"method": "PUT", "key": ""}, "validation_error"),
        ({"method": "PUT", "key": "x" * 5000}, "validation_error"),
        ({"method": "PUT"}, "validation_error"),
        ({"method": "PUT", "key": MINE, "uploadId": "x", "policy": "open"}, "not_found"),
        ({"method": "PUT", "key": MINE, "uploadId": "", "policy": "open"}, "validation_error"),
        ({"method": "PUT", "key": MINE, "uploadId": "a b\n", "policy": "open"}, "validation_error"),
        (
            {"method": "PUT", "key": MINE, "uploadId": "x", "partNumber": 0, "policy": "open"},
            "validation_error",
        ),
        ({"method": "PUT", "key": MINE, "uploadId": "x", "partNumber": 10_001}, "validation_error"),
        ({"method": "PUT", "key": "a", "contentType": "a/b", "size": -1}, "validation_error"),
        ({"method": "PUT", "key": "a", "contentType": "a/b", "policy": "none"}, "policy_not_found"),
        ({"method": "PUT", "key": "a", "contentType": "a/b", "policy": "images"}, "content_type_not_allowed"),
        (
            {"method": "PUT", "key": "a", "contentType": "a/b", "policy": "small", "size": 11},
            "file_too_large",
        ),
        ({"method": "POST", "key": "a", "policy": "open", "size": 7 * MIB}, "file_too_large"),
    ],
)
async def test_a_refusal_names_the_field_as_uppy_spells_it(
    api: httpx.AsyncClient, request_: dict[str, object], code: str
) -> None:
    assert await refused(api, **request_) == code


async def test_unknown_fields_are_ignored(api: httpx.AsyncClient) -> None:
    await signed(api, method="PUT", key="a", contentType="a/b", more={"of": "it"})


async def test_expires_in_is_cut_to_the_policys_maximum(api: httpx.AsyncClient) -> None:
    begin = await signed(api, method="POST", key="a", policy="open")
    asked = {"method": "GET", "key": begin["key"], "uploadId": "x", "policy": "open"}
    for given, lives in ((None, "900"), (60, "60"), (5000, "1000")):
        listing = await signed(api, **asked, expiresIn=given)
        assert query(listing["url"])["X-Amz-Expires"] == lives


async def test_all_requests_of_a_multipart_upload_log_one_reference(
    api: httpx.AsyncClient, moto_server: S3Server
) -> None:
    with capture_logs() as logs:
        key, upload_id = await begun(api, moto_server, "open")
        await signed(api, method="PUT", key=key, uploadId=upload_id, partNumber=1, policy="open")
        await signed(api, method="DELETE", key=key, uploadId=upload_id, policy="open")
    references = {line["upload_id"] for line in logs}
    assert len(references) == 1
    assert [line["policy"] for line in logs] == ["open"] * 3
    assert upload_id not in repr(logs)
