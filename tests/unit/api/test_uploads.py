"""`POST /v1/uploads`: the response for each method, without a call to S3."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.support.api import API_KEY, AUTH, created, query, s3_that_is_down, send_bare
from tests.support.service import service_client, settings_for

POLICIES: dict[str, Any] = {
    "default": {"max_size": 1000, "metadata": {"album": None, "origin": "web"}},
    "small": {"max_size": 10, "expires_in": 60, "max_expires_in": 120},
    "named": {"client_keys": True},
    "patient": {"expires_in": 604_800},
    "rich": {
        "acl": "private",
        "cache_control": "max-age=60",
        "content_disposition": "attachment",
        "storage_class": "STANDARD_IA",
        "tags": {"team": "web"},
    },
}
GRANTED = {"id", "key", "bucket", "method", "expires_at", "upload_expires_at", "url"}
SHA256 = {"algorithm": "sha256", "value": base64.b64encode(bytes(32)).decode()}


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app whose S3 is down."""
    async with service_client(settings_for(s3_that_is_down(), auth=AUTH, policies=POLICIES)) as client:
        yield client


async def test_a_put_has_a_url_and_the_headers_to_send(api: httpx.AsyncClient) -> None:
    """The client sends the type and the no-overwrite header; the browser adds length and host."""
    request = {"filename": "photo.jpg", "content_type": "image/jpeg", "size": 123, "method": "put"}
    answer = await api.post("/v1/uploads", json=request)
    upload = created(answer)
    assert upload.keys() == GRANTED | {"headers"}
    assert upload["method"] == "put"
    assert upload["headers"] == {
        "Content-Type": "image/jpeg",
        "x-amz-meta-origin": "web",
        "If-None-Match": "*",
    }
    assert upload["key"].startswith("uploads/alice/")
    assert upload["key"].endswith("/photo.jpg")
    assert answer.headers["cache-control"] == "no-store"
    signed = query(upload["url"])
    assert signed["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert signed["X-Amz-SignedHeaders"] == "content-length;content-type;host;if-none-match;x-amz-meta-origin"
    assert signed["X-Amz-Expires"] == "900"


async def test_an_id_outlives_its_urls(api: httpx.AsyncClient) -> None:
    """For 24 hours at least, so that what can be uploaded can be completed."""
    for policy, seconds in (("default", 86_400), ("patient", 604_800)):
        upload = created(await api.post("/v1/uploads", json={"size": 1, "policy": policy}))
        ends = datetime.fromisoformat(upload["upload_expires_at"])
        assert ends >= datetime.fromisoformat(upload["expires_at"])
        assert abs((ends - datetime.now(UTC)).total_seconds() - seconds) < 60


async def test_headers_that_browsers_set_are_not_returned(api: httpx.AsyncClient) -> None:
    for policy in POLICIES:
        request = {"filename": "a.txt", "size": 5, "method": "put", "policy": policy, "checksum": SHA256}
        upload = created(await api.post("/v1/uploads", json=request))
        names = {name.lower() for name in upload["headers"]}
        assert names.isdisjoint({"host", "content-length"})
        assert names | {"host", "content-length"} == set(
            query(upload["url"])["X-Amz-SignedHeaders"].split(";")
        )


async def test_the_policy_document_of_a_form_is_exact(api: httpx.AsyncClient) -> None:
    """It names every field's value, and the sizes that the policy allows."""
    request = {"filename": "a.txt", "method": "post", "metadata": {"album": "été"}}
    answer = await api.post("/v1/uploads", json=request)
    upload = created(answer)
    assert upload.keys() == GRANTED | {"fields"}
    assert upload["method"] == "post"
    assert answer.headers["cache-control"] == "no-store"
    fields = upload["fields"]
    assert fields["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    document = json.loads(base64.b64decode(fields["policy"]))
    assert document == {
        "expiration": upload["expires_at"],
        "conditions": [
            {"bucket": upload["bucket"]},
            {"key": upload["key"]},
            {"Content-Type": "text/plain"},
            {"x-amz-meta-album": "%C3%A9t%C3%A9"},
            {"x-amz-meta-origin": "web"},
            ["content-length-range", 0, 1000],
            {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
            {"x-amz-credential": fields["x-amz-credential"]},
            {"x-amz-date": fields["x-amz-date"]},
        ],
    }
    named = {
        name for condition in document["conditions"] if isinstance(condition, dict) for name in condition
    }
    assert fields.keys() - {"policy", "x-amz-signature"} == named - {"bucket"}


async def test_a_form_accepts_only_the_declared_size(api: httpx.AsyncClient) -> None:
    request = {"size": 7, "method": "post", "policy": "rich"}
    fields = created(await api.post("/v1/uploads", json=request))["fields"]
    conditions = json.loads(base64.b64decode(fields["policy"]))["conditions"]
    assert ["content-length-range", 7, 7] in conditions
    assert {"acl": "private"} in conditions
    assert {
        "tagging": "<Tagging><TagSet><Tag><Key>team</Key><Value>web</Value></Tag></TagSet></Tagging>"
    } in (conditions)


@pytest.mark.parametrize(
    ("request_", "method"),
    [
        ({}, "post"),
        ({"method": None}, "post"),
        ({"method": "auto"}, "post"),
        ({"method": "auto", "size": 0}, "put"),
        ({"method": "auto", "size": 5, "relative_key": "a/b.txt", "policy": "named"}, "put"),
    ],
)
async def test_auto_chooses_the_method_that_can_enforce_the_policy(
    api: httpx.AsyncClient, request_: dict[str, Any], method: str
) -> None:
    """A known size is signed into a PUT; a range of sizes needs a form."""
    assert created(await api.post("/v1/uploads", json=request_))["method"] == method


@pytest.mark.parametrize(("asked", "given"), [(None, 60), (90, 90), (120, 120), (604800, 120)])
async def test_expires_in_is_cut_to_the_policys_maximum(
    api: httpx.AsyncClient, asked: int | None, given: int
) -> None:
    request = {"size": 5, "policy": "small", "expires_in": asked}
    before = datetime.now(UTC).replace(microsecond=0)
    upload = created(await api.post("/v1/uploads", json=request))
    assert query(upload["url"])["X-Amz-Expires"] == str(given)
    expires_at, ends_at = (
        datetime.fromisoformat(upload[name]) for name in ("expires_at", "upload_expires_at")
    )
    assert timedelta() <= expires_at - before - timedelta(seconds=given) <= timedelta(seconds=5)
    assert ends_at - expires_at == timedelta(hours=24) - timedelta(seconds=given)


async def test_a_relative_key_is_below_the_users_prefix(api: httpx.AsyncClient) -> None:
    """Also for a user whom an API key names; the object is marked with its upload."""
    request = {"relative_key": "2026/a.txt", "size": 1, "policy": "named"}
    headers = {"X-API-Key": API_KEY, "X-On-Behalf-Of": "b%C3%B6b"}
    upload = created(await send_bare(api, "POST", "/v1/uploads", json=request, headers=headers))
    assert upload["key"] == "uploads/b=C3=B6b/2026/a.txt"
    assert upload["headers"]["x-amz-meta-uploadsvc-upload"]
