"""`POST /v1/tokens`: who gets an upload token, and what it is good for."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.support.api import (
    API_KEY,
    AUTH,
    NARROW_API_KEY,
    assert_problem,
    bearer,
    created,
    issued,
    s3_that_is_down,
    send_bare,
)
from tests.support.service import service_client, settings_for, token_for

SETTINGS = settings_for(
    s3_that_is_down(), auth=AUTH, policies={"small": {"max_size": 10}}, objects={"delete": True}
)


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app whose S3 is down."""
    async with service_client(SETTINGS) as client:
        yield client


async def test_a_user_can_narrow_their_own_rights(api: httpx.AsyncClient) -> None:
    headers = bearer(await issued(api, policies=["small"]))
    upload = created(await api.post("/v1/uploads", json={"policy": "small", "size": 1}, headers=headers))
    assert upload["key"].startswith("uploads/alice/")
    assert_problem(await api.post("/v1/uploads", json={"size": 1}, headers=headers), "forbidden", "policy")
    answer = await api.get("/v1/policies", headers=headers)
    assert [policy["name"] for policy in answer.json()["policies"]] == ["small"]
    assert (await api.get("/uploads?policy=small&size=5", headers=headers)).status_code == 200


async def test_a_service_gets_a_token_for_a_user(api: httpx.AsyncClient) -> None:
    """Named in the body or in the header; never beyond the service's own policies."""
    key = {"X-API-Key": API_KEY}
    for headers, body in ((key, {"user": "zoë/1"}), ({**key, "X-On-Behalf-Of": "zo%C3%AB%2F1"}, {})):
        token = await issued(api, headers, **body)
        upload = created(await api.post("/v1/uploads", json={"size": 1}, headers=bearer(token)))
        assert upload["key"].startswith("uploads/zo=C3=AB=2F1/")
    narrow = {"X-API-Key": NARROW_API_KEY}
    token = await issued(api, narrow, user="ann")
    answer = await api.post("/v1/uploads", json={"size": 1}, headers=bearer(token))
    assert_problem(answer, "forbidden", "policy")
    answer = await send_bare(
        api, "POST", "/v1/tokens", json={"user": "ann", "policies": ["default"]}, headers=narrow
    )
    assert_problem(answer, "forbidden", "policies")
    assert_problem(
        await send_bare(api, "POST", "/v1/tokens", json={}, headers=key), "validation_error", "user"
    )


async def test_only_a_service_may_name_another_user(api: httpx.AsyncClient) -> None:
    assert_problem(await api.post("/v1/tokens", json={"user": "bob"}), "forbidden", "user")
    assert_problem(await api.post("/v1/tokens", json={"policies": ["x"]}), "policy_not_found", "policies")


async def test_a_token_does_not_outlive_the_credential(api: httpx.AsyncClient) -> None:
    """Nor the maximum of the settings."""
    asked = bearer(token_for(expires_in=100))
    answer = created(await send_bare(api, "POST", "/v1/tokens", json={"expires_in": 3000}, headers=asked))
    left = datetime.fromisoformat(answer["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=90) < left <= timedelta(seconds=100)
    long = bearer(token_for(expires_in=10**6))
    answer = created(await send_bare(api, "POST", "/v1/tokens", json={"expires_in": 10**6}, headers=long))
    left = datetime.fromisoformat(answer["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=3590) < left <= timedelta(seconds=3600)


async def test_a_token_is_good_for_uploads_only(api: httpx.AsyncClient) -> None:
    """It neither issues tokens nor lists, reads or deletes objects."""
    headers = bearer(await issued(api))
    key = "uploads/alice/a"
    for method, path, body in (
        ("POST", "/v1/tokens", {}),
        ("GET", "/v1/objects", None),
        ("GET", f"/v1/object?key={key}", None),
        ("DELETE", f"/v1/object?key={key}", None),
        ("POST", "/v1/downloads", {"key": key}),
    ):
        assert_problem(await api.request(method, path, json=body, headers=headers), "forbidden")


async def test_an_api_key_for_some_policies_is_good_for_uploads_only(api: httpx.AsyncClient) -> None:
    """An object does not tell by which policy it was uploaded."""
    headers = {"X-API-Key": NARROW_API_KEY, "X-On-Behalf-Of": "alice"}
    for path in ("/v1/objects", "/v1/object?key=uploads/alice/a"):
        assert_problem(await send_bare(api, "GET", path, headers=headers), "forbidden")
    answer = await send_bare(api, "POST", "/v1/uploads", json={"policy": "x"}, headers=headers)
    assert_problem(answer, "policy_not_found", "policy")
    assert "default" not in answer.json()["detail"]
    assert "small" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"user": 1}, "user"),
        ({"policies": []}, "policies"),
        ({"policies": "small"}, "policies"),
        ({"policies": ["small"] * 51}, "policies"),
        ({"expires_in": 0}, "expires_in"),
        ({"expires_in": "60"}, "expires_in"),
        ({"ttl": 60}, "ttl"),
    ],
)
async def test_malformed_requests_name_the_field(
    api: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    assert_problem(await api.post("/v1/tokens", json=body), "validation_error", field)
