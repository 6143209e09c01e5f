"""Companion's routes."""

import base64
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.api import query, send_bare
from tests.support.properties import examples
from tests.support.servers import S3Server
from tests.support.service import SECRET_KEY, authorization, service_client, settings_for

from uploadsvc.tokens.jwts import UPLOAD, ServiceTokens

MIB: Final = 1024**2
POLICIES: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "open": {"unsized_multipart": True, "min_size": 3, "max_size": 6 * MIB},
    "images": {"content_types": ["image/*"]},
    "small": {"max_size": 10, "min_size": 2},
    "named": {"metadata": {"name": None, "origin": "web"}},
    "summed": {"checksum": "required"},
    "puts": {"methods": ["put"]},
    "forms": {"methods": ["post"]},
    "fixed": {"key": "{filename}"},
    "folders": {"key": "kept/{path}{filename}", "overwrite": True},
}


def token(
    *policies: str, user: str = "alice", ends: timedelta = timedelta(minutes=5), secret: str = SECRET_KEY
) -> str:
    """Return an upload token, by default for all policies."""
    now = datetime.now(UTC)
    tokens = ServiceTokens([secret.encode()], kind=UPLOAD, clock=lambda: now)
    return tokens.issue(user, frozenset(policies) or None, expires_at=now + ends)


@pytest.fixture
async def api(moto_server: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app that alice calls."""
    async with service_client(settings_for(moto_server, policies=POLICIES)) as client:
        yield client


async def begun(api: httpx.AsyncClient, base: str = "/uppy", **metadata: object) -> tuple[str, str]:
    """Begin a multipart upload; return its id and key."""
    body = {"filename": "film.mp4", "type": "video/mp4", "metadata": metadata}
    answer = await api.post(f"{base}/s3/multipart", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"key", "uploadId", "bucket"}
    return answer.json()["uploadId"], answer.json()["key"]


async def sent(api: httpx.AsyncClient, upload_id: str, key: str, number: int, content: bytes) -> str:
    """Send a part as Uppy does; return its ETag as Uppy keeps it."""
    signed = (await api.get(f"/uppy/s3/multipart/{upload_id}/{number}", params={"key": key})).json()
    assert signed.keys() == {"url", "expires"}
    async with httpx.AsyncClient(trust_env=False) as s3:
        answer = await s3.put(signed["url"], content=content)
    assert answer.status_code == 200
    return answer.headers["etag"].strip('"')


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Assert that a response is a refusal, as a problem and as Uppy reads it; return status and code."""
    body = answer.json()
    assert (body["error"], body["message"]) == (body["code"], body["detail"])
    assert body["status"] == answer.status_code
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, body["code"]


def policy_of(fields: dict[str, str]) -> list[Any]:
    """Return the conditions of a form."""
    conditions: list[Any] = json.loads(base64.b64decode(fields["policy"]))["conditions"]
    return conditions


async def test_a_form_suits_uppy(api: httpx.AsyncClient) -> None:
    """It posts to a URL with a slash at its end, and S3 answers 201."""
    params = {"filename": "a b.txt", "type": "text/plain", "metadata[name]": "a b.txt", "metadata[x]": "1"}
    answer = await api.get("/uppy/s3/params", params=params)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    form = answer.json()
    assert form.keys() == {"method", "url", "fields", "expires"}
    assert (form["method"], form["expires"]) == ("POST", 900)
    assert form["url"].endswith("/")
    fields = form["fields"]
    assert re.fullmatch(r"uploads/alice/[0-9a-f-]{36}/a b\.txt", fields["key"])
    assert fields["success_action_status"] == "201"
    assert fields["Content-Type"] == "text/plain"
    assert not {name for name in fields if name.lower() in {"file", "redirect", "success_action_redirect"}}
    assert not {name for name in fields if name.startswith("x-amz-meta-")}, "the policy lists none"
    conditions = policy_of(fields)
    assert {"success_action_status": "201"} in conditions
    assert ["content-length-range", 0, 5 * 1024**3] in conditions


async def test_size_and_policy_come_as_metadata(api: httpx.AsyncClient) -> None:
    """Uppy has no other place for them. Metadata that the policy lists is stored."""
    params = {"filename": "a.txt", "metadata[size]": "7", "metadata[policy]": "named", "metadata[name]": "A"}
    fields = (await api.get("/uppy/s3/params", params=params)).json()["fields"]
    assert ["content-length-range", 7, 7] in policy_of(fields)
    assert {name: value for name, value in fields.items() if name.startswith("x-amz-meta-")} == {
        "x-amz-meta-name": "A",
        "x-amz-meta-origin": "web",
    }


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/photos/2026/a.txt", "photos/2026/a.txt"),
        ("photos/a.txt", "photos/a.txt"),
        ("null", "a.txt"),
        ("photos/b.txt", "a.txt"),
    ],
)
async def test_folders_come_as_uppys_metadata(api: httpx.AsyncClient, path: str, key: str) -> None:
    """Dropped and chosen folders; Uppy's null is text in a query."""
    params = {"filename": "a.txt", "metadata[policy]": "folders", "metadata[relativePath]": path}
    fields = (await api.get("/uppy/s3/params", params=params)).json()["fields"]
    assert fields["key"] == f"uploads/alice/kept/{key}"
    for place, kept in (("x/film.mp4", "x/film.mp4"), (None, "film.mp4")):
        _, made = await begun(api, policy="folders", size=1, relativePath=place)
        assert made == f"uploads/alice/kept/{kept}"


async def test_a_multipart_upload_from_end_to_end(api: httpx.AsyncClient) -> None:
    """With a size, each of Uppy's parts is signed for its length."""
    size = 5 * MIB + 3
    upload_id, key = await begun(api, size=size)
    signed = await api.get(f"/uppy/s3/multipart/{upload_id}/2", params={"key": key})
    assert query(signed.json()["url"])["X-Amz-SignedHeaders"] == "content-length;host"
    assert signed.json()["expires"] in {899, 900}
    batch = {"key": key, "partNumbers": "1,2"}
    urls = (await api.get(f"/uppy/s3/multipart/{upload_id}/batch", params=batch)).json()["presignedUrls"]
    assert urls.keys() == {"1", "2"}
    etags = [await sent(api, upload_id, key, 1, b"a" * 5 * MIB), await sent(api, upload_id, key, 2, b"bcd")]
    listed = (await api.get(f"/uppy/s3/multipart/{upload_id}", params={"key": key})).json()
    assert listed == [
        {"PartNumber": 1, "ETag": etags[0], "Size": 5 * MIB},
        {"PartNumber": 2, "ETag": etags[1], "Size": 3},
    ]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    url = f"/uppy/s3/multipart/{upload_id}/complete"
    done = await api.post(url, params={"key": key}, json={"parts": parts})
    assert done.status_code == 200, done.text
    assert done.json().keys() == {"location", "key", "bucket"}
    assert done.json()["key"] == key
    assert done.json()["location"].endswith(key)
    # The response may have been lost: a client that continues gets the same result.
    again = await api.get(f"/uppy/s3/multipart/{upload_id}", params={"key": key})
    assert [part["PartNumber"] for part in again.json()] == [1, 2]
    parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in again.json()]
    assert (await api.post(url, params={"key": key}, json={"parts": parts})).json() == done.json()
    # The same id gets the receipt, for which Uppy has no place.
    completed = await api.post(f"/v1/uploads/{upload_id}/complete")
    assert completed.json()["object"]["size"] == size
    assert completed.json()["receipt"]


async def test_aborting_never_deletes_an_object(moto_server: S3Server) -> None:
    config = settings_for(moto_server, policies=POLICIES, objects={"delete": True})
    async with service_client(config) as api:
        upload_id, key = await begun(api, size=3)
        etag = await sent(api, upload_id, key, 1, b"abc")
        body = {"parts": [{"PartNumber": 1, "ETag": etag}]}
        await api.post(f"/uppy/s3/multipart/{upload_id}/complete", params={"key": key}, json=body)
        for _ in range(2):
            gone = await api.delete(f"/uppy/s3/multipart/{upload_id}", params={"key": key})
            assert (gone.status_code, gone.json()) == (200, {})
        assert (await api.get("/v1/object", params={"key": key})).json()["size"] == 3


async def test_an_aborted_upload_is_over(api: httpx.AsyncClient) -> None:
    """Aborting twice is fine."""
    upload_id, key = await begun(api, size=3)
    for _ in range(2):
        assert (await api.delete(f"/uppy/s3/multipart/{upload_id}", params={"key": key})).json() == {}
    listed = await api.get(f"/uppy/s3/multipart/{upload_id}", params={"key": key})
    assert refused(listed) == (409, "upload_aborted")


@pytest.mark.parametrize(
    ("contents", "status", "code"),
    [
        ([b"ab"], 413 + 9, "file_too_small"),
        ([b"a" * 5 * MIB, b"b" * MIB, b"c"], 413, "file_too_large"),
    ],
)
async def test_an_unknown_size_is_checked_before_assembly(
    api: httpx.AsyncClient, contents: list[bytes], status: int, code: str
) -> None:
    upload_id, key = await begun(api, policy="open")
    etags = [await sent(api, upload_id, key, number, part) for number, part in enumerate(contents, 1)]
    body = {"parts": [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]}
    done = await api.post(f"/uppy/s3/multipart/{upload_id}/complete", params={"key": key}, json=body)
    assert refused(done) == (status, code)
    listed = (await api.get(f"/uppy/s3/multipart/{upload_id}", params={"key": key})).json()
    assert len(listed) == len(contents)


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({1: True, 2: False}, "upload_incomplete"),
        ({1: True}, "upload_incomplete"),
        ({1: True, 2: True, 3: True}, "upload_incomplete"),
    ],
)
async def test_with_an_unknown_size_the_client_must_name_the_parts_of_s3(
    api: httpx.AsyncClient, named: dict[int, bool], code: str
) -> None:
    upload_id, key = await begun(api, policy="open")
    etags = {
        n: await sent(api, upload_id, key, n, content) for n, content in ((1, b"a" * 5 * MIB), (2, b"b"))
    }
    parts = [
        {"PartNumber": n, "ETag": etags.get(n, "0" * 32) if good else "0" * 32} for n, good in named.items()
    ]
    done = await api.post(
        f"/uppy/s3/multipart/{upload_id}/complete", params={"key": key}, json={"parts": parts}
    )
    assert refused(done) == (409, code)
    parts = [{"PartNumber": n, "ETag": etag} for n, etag in etags.items()]
    done = await api.post(
        f"/uppy/s3/multipart/{upload_id}/complete", params={"key": key}, json={"parts": parts}
    )
    assert done.status_code == 200


async def test_parts_of_unknown_size_are_signed_by_companion_only(api: httpx.AsyncClient) -> None:
    """`/v1` promises the size of each part."""
    upload_id, key = await begun(api, policy="open")
    answer = await api.post(f"/v1/uploads/{upload_id}/parts", json={"part_numbers": [1]})
    assert (answer.status_code, answer.json()["code"]) == (422, "method_not_available")
    state = (await api.get(f"/v1/uploads/{upload_id}")).json()
    assert (state["status"], state["part_size"], state["part_count"]) == ("pending", None, None)
    completed = await api.post(f"/v1/uploads/{upload_id}/complete")
    assert (completed.status_code, completed.json()["code"]) == (409, "upload_incomplete")
    await sent(api, upload_id, key, 1, b"abc")
    completed = await api.post(f"/v1/uploads/{upload_id}/complete")
    assert completed.json()["object"]["size"] == 3


@pytest.mark.parametrize(
    ("metadata", "kind", "code"),
    [
        ({}, "video/mp4", "size_required"),
        ({"policy": "images"}, "video/mp4", "content_type_not_allowed"),
        ({"policy": "small", "size": 11}, "video/mp4", "file_too_large"),
        ({"policy": "small", "size": 1}, "video/mp4", "file_too_small"),
        ({"policy": "none", "size": 1}, "video/mp4", "policy_not_found"),
        ({"policy": "summed", "size": 1}, "video/mp4", "checksum_required"),
        ({"policy": "puts", "size": 1}, "video/mp4", "method_not_available"),
        ({"policy": "forms", "size": 1}, "video/mp4", "method_not_available"),
        ({"size": "many"}, "video/mp4", "validation_error"),
        ({"size": -1}, "video/mp4", "validation_error"),
        ({"size": 1.5}, "video/mp4", "validation_error"),
        ({"size": True}, "video/mp4", "validation_error"),
        ({"size": 10**30}, "video/mp4", "validation_error"),
        ({"size": 1, "partSize": 1}, "video/mp4", "validation_error"),
        ({"size": 10**12, "partSize": 5 * MIB, "policy": "default"}, "video/mp4", "file_too_large"),
        ({"size": 1}, "video", "validation_error"),
    ],
)
async def test_a_policy_refuses_multipart_uploads_with_the_codes_of_v1(
    api: httpx.AsyncClient, metadata: dict[str, object], kind: str, code: str
) -> None:
    body = {"filename": "film.mp4", "type": kind, "metadata": metadata}
    assert refused(await api.post("/uppy/s3/multipart", json=body))[1] == code


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"metadata[policy]": "images", "type": "video/mp4"}, "content_type_not_allowed"),
        ({"metadata[policy]": "small", "metadata[size]": "11"}, "file_too_large"),
        ({"metadata[policy]": "small", "metadata[size]": "1"}, "file_too_small"),
        ({"metadata[policy]": "none"}, "policy_not_found"),
        ({"metadata[policy]": "summed"}, "checksum_required"),
        ({"metadata[policy]": "puts"}, "method_not_available"),
        ({"metadata[policy]": "fixed"}, "method_not_available"),
        ({"metadata[size]": "undefined"}, "validation_error"),
    ],
)
async def test_a_policy_refuses_forms_with_the_codes_of_v1(
    api: httpx.AsyncClient, params: dict[str, str], code: str
) -> None:
    assert refused(await api.get("/uppy/s3/params", params=params))[1] == code


async def test_a_store_without_forms_refuses(moto_server: S3Server) -> None:
    """Companion's client always posts a form."""
    async with service_client(settings_for(moto_server, s3={"provider": "r2"})) as api:
        answer = await api.get("/uppy/s3/params", params={"filename": "a.txt"})
        assert refused(answer) == (422, "method_not_available")
        assert "post" in answer.json()["message"]
        await begun(api, size=3)


@pytest.mark.parametrize("method", ["get", "delete", "complete", "part", "batch"])
async def test_another_users_upload_is_not_found(api: httpx.AsyncClient, method: str) -> None:
    """The response is that for an unknown id."""
    upload_id, key = await begun(api, size=3)
    bob, _ = await begun_as_bob(api)

    async def ask(one: str, beside: str, headers: dict[str, str]) -> httpx.Response:
        path = f"/uppy/s3/multipart/{one}"
        match method:
            case "complete":
                path, body = f"{path}/complete", {"parts": [{"PartNumber": 1, "ETag": "x"}]}
                return await send_bare(api, "POST", path, params={"key": beside}, json=body, headers=headers)
            case "part" | "batch":
                path += "/1" if method == "part" else "/batch?partNumbers=1"
                return await send_bare(
                    api, "GET", f"{path}{'&' if '?' in path else '?'}key={beside}", headers=headers
                )
        return await send_bare(api, method.upper(), path, params={"key": beside}, headers=headers)

    said = {
        (await ask(one, beside, authorization(user))).text
        for one, beside, user in [
            (upload_id, key, "bob"),
            (upload_id, key.replace("alice", "bob"), "bob"),
            (bob, key, "alice"),
            (upload_id, key + "x", "alice"),
            ("made-up", key, "alice"),
            (upload_id[:-2] + "xx", key, "alice"),
        ]
    }
    assert len(said) == 1
    assert json.loads(said.pop())["message"] == "There is no such upload."


async def begun_as_bob(api: httpx.AsyncClient) -> tuple[str, str]:
    """Begin an upload as bob."""
    return await begun(api, f"/uppy/{token(user='bob')}", size=3)


async def test_the_path_may_hold_a_token(api: httpx.AsyncClient) -> None:
    """It decides alone: headers and cookies are ignored."""
    base = f"/uppy/{token('small', user='bob')}"
    form = await api.get(f"{base}/s3/params", params={"filename": "a.txt"})
    assert form.json()["fields"]["key"].startswith("uploads/bob/")
    assert ["content-length-range", 2, 10] in policy_of(form.json()["fields"]), "its only policy is meant"
    two = f"/uppy/{token('small', 'images')}/s3/params"
    assert refused(await api.get(two)) == (403, "forbidden"), "with several, `default` is meant"
    assert (await api.get(two, params={"metadata[policy]": "small"})).status_code == 200


async def test_the_path_accepts_upload_tokens_only(api: httpx.AsyncClient) -> None:
    upload_id, _ = await begun(api, size=3)
    others = [
        authorization()["Authorization"].removeprefix("Bearer "),
        token(ends=-timedelta(seconds=1)),
        token(secret="another secret key, of 32 bytes or more"),
        upload_id,
        "x" * 20_000,
        "null",
    ]
    for other in others:
        answer = await api.get(f"/uppy/{other}/s3/params", params={"filename": "a.txt"})
        assert refused(answer) == (401, "unauthenticated")
    assert refused(await send_bare(api, "GET", "/uppy/s3/params")) == (401, "unauthenticated")


anything = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()))


@settings(examples(0.2), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    filename=st.text(max_size=40) | st.none(),
    kind=st.text(max_size=20) | st.just("image/png") | st.none(),
    metadata=st.dictionaries(st.sampled_from(["size", "policy", "name", "partSize", "x"]), anything),
)
async def test_any_request_is_granted_below_the_callers_prefix_or_refused(
    api: httpx.AsyncClient, filename: str | None, kind: str | None, metadata: dict[str, object]
) -> None:
    try:
        content = json.dumps({"filename": filename, "type": kind, "metadata": metadata}).encode()
    except UnicodeEncodeError:
        content = b"{}"
    answer = await api.post(
        "/uppy/s3/multipart", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code < 500, answer.text
    if answer.status_code == 200:
        assert answer.json()["key"].startswith("uploads/alice/")
    else:
        refused(answer)
