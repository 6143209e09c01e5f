"""Requests that an app's ``signRequest`` function passes on."""

import re
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest
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
    "free": {"client_keys": True, "overwrite": True, "unsized_multipart": True},
    "summed": {"checksum": "required"},
    "puts": {"methods": ["put"]},
}
NEW_KEY: Final = r"uploads/alice/[0-9a-f-]{36}/a b\.txt"
MINE: Final = "uploads/alice/film.mp4"


@pytest.fixture
async def api(moto_server: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Run the app, alice calling."""
    async with service_client(settings_for(moto_server, policies=POLICIES)) as client:
        yield client


async def signed(api: httpx.AsyncClient, **request: object) -> dict[str, Any]:
    """Have a request signed that is expected to be."""
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
    """Return which headers a URL is signed with."""
    return query(url)["X-Amz-SignedHeaders"]


async def begun(api: httpx.AsyncClient, server: S3Server, policy: str) -> tuple[str, str]:
    """Begin a multipart upload as Uppy does; return its key and S3's name for it."""
    begin = await signed(api, method="POST", key="film.mp4", policy=policy)
    async with httpx.AsyncClient(trust_env=False) as s3:
        answer = await s3.post(begin["url"], headers=begin["headers"])
    assert answer.status_code == 200
    (upload_id,) = re.findall("<UploadId>(.*)</UploadId>", answer.text)
    assert f"<Bucket>{server.bucket}</Bucket>" in answer.text
    return begin["key"], upload_id


async def send_part(api: httpx.AsyncClient, key: str, upload_id: str, size: int, number: int = 1) -> None:
    """Send a part of so many bytes."""
    part = await signed(api, method="PUT", key=key, uploadId=upload_id, partNumber=number, policy="open")
    async with httpx.AsyncClient(trust_env=False) as s3:
        assert (await s3.put(part["url"], content=b"x" * size)).status_code == 200


async def test_a_new_object_is_a_form_that_holds_it_to_the_policy(api: httpx.AsyncClient) -> None:
    """The key is the service's own, made of what Uppy proposes."""
    put = await signed(api, method="PUT", key="a b.txt", contentType="text/plain", policy="small")
    assert re.fullmatch(NEW_KEY, put["key"])
    assert put["fields"]["key"] == put["key"]
    assert put["fields"]["Content-Type"] == "text/plain"
    assert put["headers"] == {}
    assert put["url"].endswith("/")
    state = (await api.get(f"/v1/uploads/{put['id']}")).json()
    assert (state["key"], state["status"]) == (put["key"], "pending"), "the app may complete it"


async def test_with_its_size_it_is_an_exact_put(api: httpx.AsyncClient) -> None:
    """Which the app may add."""
    put = await signed(api, method="PUT", key="a b.txt", contentType="text/plain", size=5, policy="small")
    assert put["fields"] is None
    assert put["headers"] == {"Content-Type": "text/plain", "If-None-Match": "*"}
    assert signed_headers(put["url"]) == "content-length;content-type;host;if-none-match"


async def test_an_older_uppy_gets_a_bare_url(api: httpx.AsyncClient) -> None:
    """It says no type, and knows neither forms nor headers; where the policy restricts nothing."""
    put = await signed(api, method="PUT", key="a b.txt")
    assert (put["headers"], put["fields"], put["id"]) == ({}, None, None)
    assert signed_headers(put["url"]) == "host"
    assert re.fullmatch(NEW_KEY, put["key"])
    assert await refused(api, method="PUT", key="a b.txt", policy="small") == "size_required"
    assert await refused(api, method="PUT", key="a.png", policy="images") == "content_type_required"


async def test_a_whole_key_of_one_s_own_is_meant_as_it_is(api: httpx.AsyncClient) -> None:
    """Where the policy lets callers choose, and without a form, which cannot be told not to overwrite."""
    asked = {"method": "PUT", "key": MINE, "contentType": "video/mp4"}
    put = await signed(api, **asked, size=3, policy="keyed")
    assert put["key"] == MINE
    assert put["headers"]["If-None-Match"] == "*"
    assert await refused(api, **asked, policy="keyed") == "size_required"
    assert await refused(api, **asked) == "forbidden"


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("key", ["uploads/bob/film.mp4", "uploads/alice2/x", "uploads/x", "uploads/alice"])
async def test_nobody_puts_anything_below_another_prefix(
    api: httpx.AsyncClient, method: str, key: str
) -> None:
    """A key that begins like one of ours has to be the caller's."""
    assert await refused(api, method=method, key=key, contentType="video/mp4", policy="open") == "not_found"


@pytest.mark.parametrize(
    "key", ["uploads/alice/../bob/x", "uploads/alice//x", "uploads/alice/a\\b", "uploads/alice/${filename}"]
)
async def test_a_bad_key_is_refused(api: httpx.AsyncClient, key: str) -> None:
    """As everywhere."""
    assert await refused(api, method="PUT", key=key, contentType="a/b", policy="keyed") == "invalid_key"
    assert await refused(api, method="GET", key=key, uploadId="x", policy="open") == "invalid_key"


async def test_a_multipart_upload_is_begun_with_all_that_the_policy_sets(api: httpx.AsyncClient) -> None:
    """As headers, which Uppy sends; a type that it does not say is the filename's."""
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


async def test_each_later_request_is_about_this_upload_alone(
    api: httpx.AsyncClient, moto_server: S3Server
) -> None:
    """Part, list, complete, abort, each by its own method."""
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


async def test_parts_are_measured_before_they_are_put_together(
    api: httpx.AsyncClient, moto_server: S3Server
) -> None:
    """Nothing else would: S3 answers Uppy."""
    key, upload_id = await begun(api, moto_server, "open")
    asked = {"method": "POST", "key": key, "uploadId": upload_id, "policy": "open"}
    assert await refused(api, **asked) == "file_too_small"
    await send_part(api, key, upload_id, 5 * MIB)
    await signed(api, **asked)
    await send_part(api, key, upload_id, MIB + 1, number=2)
    assert await refused(api, **asked) == "file_too_large"


@pytest.mark.parametrize("method", ["PUT", "GET", "POST", "DELETE"])
async def test_somebody_else_s_multipart_upload_is_not_there(
    api: httpx.AsyncClient, moto_server: S3Server, method: str
) -> None:
    """To whom knows its key and S3's own name for it."""
    key, upload_id = await begun(api, moto_server, "open")
    asked = {"method": method, "key": key, "uploadId": upload_id, "partNumber": 1, "policy": "open"}
    answer = await api.post("/uppy/sign", json=asked, headers=authorization("bob"))
    assert (answer.status_code, answer.json()["message"]) == (404, "There is no such object.")


async def test_nobody_goes_on_with_an_upload_that_is_watched(
    api: httpx.AsyncClient, moto_server: S3Server
) -> None:
    """Not with one of another policy or of `/v1`, though S3's own name for it stands in every part's URL."""
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


async def test_an_object_that_is_there_is_not_replaced(api: httpx.AsyncClient) -> None:
    """A bare URL cannot be told not to, so a key of one's own gets none, unless the policy lets it."""
    assert await refused(api, method="PUT", key=MINE, policy="keyed") == "method_not_available"
    put = await signed(api, method="PUT", key=MINE, policy="free")
    assert (put["key"], signed_headers(put["url"])) == (MINE, "host")
    assert await refused(api, method="POST", key=MINE, policy="free") == "method_not_available"


async def test_a_store_without_forms_gets_bare_urls(moto_server: S3Server) -> None:
    """Where the policy restricts nothing; Uppy cannot say the size."""
    policies = {"default": {}, "small": {"max_size": 10}}
    config = settings_for(moto_server, s3={"provider": "r2"}, policies=policies)
    async with service_client(config) as api:
        put = await signed(api, method="PUT", key="a b.txt", contentType="text/plain")
        assert (put["fields"], signed_headers(put["url"])) == (None, "content-type;host")
        asked = {"method": "PUT", "key": "a.txt", "contentType": "text/plain", "policy": "small"}
        assert await refused(api, **asked) == "size_required"


@pytest.mark.parametrize("policy", ["default", "summed", "puts"])
async def test_a_policy_that_watches_parts_has_none_signed(api: httpx.AsyncClient, policy: str) -> None:
    """Neither to begin nor to go on."""
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
async def test_what_cannot_be_signed_is_refused_by_name(
    api: httpx.AsyncClient, request_: dict[str, object], code: str
) -> None:
    """In Uppy's words and in ours."""
    assert await refused(api, **request_) == code


async def test_what_a_later_uppy_adds_is_let_be(api: httpx.AsyncClient) -> None:
    """It would be signed by nobody."""
    await signed(api, method="PUT", key="a", contentType="a/b", more={"of": "it"})


async def test_a_url_lives_as_long_as_was_asked_and_the_policy_allows(api: httpx.AsyncClient) -> None:
    """By default as long as the policy says."""
    begin = await signed(api, method="POST", key="a", policy="open")
    asked = {"method": "GET", "key": begin["key"], "uploadId": "x", "policy": "open"}
    for given, lives in ((None, "900"), (60, "60"), (5000, "1000")):
        listing = await signed(api, **asked, expiresIn=given)
        assert query(listing["url"])["X-Amz-Expires"] == lives
