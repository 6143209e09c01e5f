"""`GET /uploads`: a URL that needs no headers except those that the query names."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.support.api import assert_problem, query, s3_that_is_down, send_bare
from tests.support.service import service_client, settings_for

POLICIES: dict[str, Any] = {
    "default": {},
    "capped": {"max_size": 10},
    "floored": {"min_size": 1},
    "images": {"content_types": ["image/*"]},
    "short": {"expires_in": 60},
    "forms": {"methods": ["post"]},
    "sure": {"checksum": "required"},
    "fixed": {"metadata": {"origin": "web"}},
    "free": {"metadata": {"album": None}},
    "cached": {"cache_control": "no-cache"},
    "private": {"acl": "private"},
    "tagged": {"tags": {"a": "b"}},
    "attached": {"content_disposition": "attachment"},
    "one-key": {"key": "{filename}"},
    "replaced": {"key": "replaced/{filename}", "overwrite": True},
}


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app whose S3 is down. Signing needs no S3."""
    async with service_client(settings_for(s3_that_is_down(), policies=POLICIES)) as client:
        yield client


@pytest.mark.parametrize(
    ("asked", "signed"),
    [
        ({}, "host"),
        ({"filename": "a b.txt"}, "host"),
        ({"content_type": "image/png"}, "content-type;host"),
        ({"size": 0}, "content-length;host"),
        ({"size": 5, "content_type": "image/png"}, "content-length;content-type;host"),
        ({"policy": "capped", "size": 10}, "content-length;host"),
        ({"policy": "images", "content_type": "image/png"}, "content-type;host"),
        ({"policy": "free"}, "host"),
        ({"policy": "replaced", "filename": "a.txt"}, "host"),
    ],
)
async def test_only_what_the_query_names_is_signed(
    api: httpx.AsyncClient, asked: dict[str, Any], signed: str
) -> None:
    answer = await api.get("/uploads", params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"url"}
    url = answer.json()["url"]
    assert query(url)["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query(url)["X-Amz-SignedHeaders"] == signed
    assert "/uploads/alice/" in url


async def test_the_policy_sets_the_lifetime(api: httpx.AsyncClient) -> None:
    for policy, seconds in (("default", "900"), ("short", "60")):
        url = (await api.get("/uploads", params={"policy": policy})).json()["url"]
        assert query(url)["X-Amz-Expires"] == seconds


@pytest.mark.parametrize(
    ("asked", "code", "field"),
    [
        ({"policy": "capped"}, "size_required", "size"),
        ({"policy": "floored"}, "size_required", "size"),
        ({"policy": "capped", "size": 11}, "file_too_large", "size"),
        ({"policy": "floored", "size": 0}, "file_too_small", "size"),
        ({"policy": "images"}, "content_type_required", "content_type"),
        ({"policy": "images", "filename": "a.png"}, "content_type_required", "content_type"),
        ({"policy": "images", "content_type": "text/plain"}, "content_type_not_allowed", "content_type"),
        ({"content_type": "text/html"}, "content_type_not_allowed", "content_type"),
        ({"content_type": "nonsense"}, "validation_error", "content_type"),
        ({"size": -1}, "validation_error", "size"),
        ({"size": "many"}, "validation_error", "size"),
        ({"size": 5 * 1024**3 + 1}, "file_too_large", "size"),
        ({"policy": "nowhere"}, "policy_not_found", "policy"),
        ({"policy": "sure"}, "checksum_required", "checksum"),
        *(
            ({"policy": policy, "filename": "a.txt"}, "method_not_available", "policy")
            for policy in ("forms", "fixed", "cached", "private", "tagged", "attached", "one-key")
        ),
    ],
)
async def test_requests_that_a_bare_url_cannot_hold_to_the_policy_are_refused(
    api: httpx.AsyncClient, asked: dict[str, Any], code: str, field: str
) -> None:
    """What the policy restricts must be named; what it adds needs `POST /v1/uploads`."""
    assert_problem(await api.get("/uploads", params=asked), code, field)


async def test_a_credential_is_required(api: httpx.AsyncClient) -> None:
    answer = await send_bare(api, "GET", "/uploads")
    assert_problem(answer, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
