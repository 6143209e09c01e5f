"""Every refusal of `POST /v1/uploads`, with the field that it names."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.support.api import (
    API_KEY,
    AUTH,
    NARROW_API_KEY,
    assert_problem,
    created,
    s3_that_is_down,
    send_bare,
)
from tests.support.service import service_client, settings_for, token_for

POLICIES: dict[str, Any] = {
    "default": {"metadata": {"album": None, "origin": "web"}},
    "small": {"min_size": 2, "max_size": 10, "content_types": ["image/*"]},
    "sure": {"checksum": "required"},
    "unsure": {"checksum": "off"},
    "named": {"client_keys": True, "overwrite": False},
    "forms": {"methods": ["post"]},
}
CHECKSUM = {"algorithm": "sha256", "value": base64.b64encode(bytes(32)).decode()}
SEVEN_DAYS = 604_800


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app whose S3 is down, which none of these refusals needs."""
    async with service_client(settings_for(s3_that_is_down(), auth=AUTH, policies=POLICIES)) as client:
        yield client


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"policy": "nowhere"}, "policy_not_found", "policy"),
        ({"policy": "small", "content_type": "image/png", "size": 11}, "file_too_large", "size"),
        ({"policy": "small", "content_type": "image/png", "size": 1}, "file_too_small", "size"),
        ({"policy": "small", "content_type": "text/plain"}, "content_type_not_allowed", "content_type"),
        ({"policy": "small", "filename": "a.pdf"}, "content_type_not_allowed", "filename"),
        ({"policy": "small", "content_type": "image/svg+xml"}, "content_type_not_allowed", "content_type"),
        ({"content_type": "text/html"}, "content_type_not_allowed", "content_type"),
        ({"content_type": "text"}, "validation_error", "content_type"),
        ({"content_type": "text/plain\r\nX-Evil: 1"}, "validation_error", "content_type"),
        ({"method": "put"}, "size_required", "size"),
        ({"policy": "named", "relative_key": "a.txt"}, "size_required", "size"),
        ({"policy": "sure", "size": 1}, "checksum_required", "checksum"),
        ({"policy": "unsure", "size": 1, "checksum": CHECKSUM}, "validation_error", "checksum"),
        ({"policy": "named", "size": 1, "relative_key": "../bob/a"}, "invalid_key", "relative_key"),
        ({"policy": "named", "size": 1, "relative_key": "${filename}"}, "invalid_key", "relative_key"),
        ({"policy": "named", "size": 1, "relative_key": "x" * 1025}, "invalid_key", "relative_key"),
        ({"relative_key": "a.txt"}, "forbidden", "relative_key"),
        ({"overwrite": True}, "forbidden", "overwrite"),
        ({"metadata": {"other": "x"}}, "metadata_not_allowed", "metadata"),
        ({"metadata": {"origin": "x"}}, "metadata_not_allowed", "metadata"),
        ({"metadata": {"album": "é" * 400}}, "metadata_not_allowed", "metadata"),
        ({"method": "multipart"}, "size_required", "size"),
        ({"method": "multipart", "size": 5, "policy": "forms"}, "method_not_available", "method"),
        ({"method": "multipart", "size": 5, "checksum": CHECKSUM}, "method_not_available", "method"),
        ({"method": "put", "size": 5, "policy": "forms"}, "method_not_available", "method"),
        ({"method": "post", "policy": "named", "relative_key": "a"}, "method_not_available", "method"),
        ({"method": "ftp"}, "validation_error", "method"),
        ({"size": -1}, "validation_error", "size"),
        ({"size": "5"}, "validation_error", "size"),
        ({"size": True}, "validation_error", "size"),
        ({"size": 1.5}, "validation_error", "size"),
        ({"overwrite": 1}, "validation_error", "overwrite"),
        ({"expires_in": 0}, "validation_error", "expires_in"),
        ({"expires_in": SEVEN_DAYS + 1}, "validation_error", "expires_in"),
        ({"metadata": {"album": 5}}, "validation_error", "metadata.album"),
        ({"checksum": {"algorithm": "md5", "value": ""}}, "validation_error", "checksum.algorithm"),
        ({"checksum": {"algorithm": "crc32", "value": "AAAA"}}, "validation_error", "checksum"),
        ({"checksum": {"algorithm": "crc32"}}, "validation_error", "checksum.value"),
        ({"folder": "x"}, "validation_error", "folder"),
    ],
)
async def test_a_refusal_names_its_code_and_field(
    api: httpx.AsyncClient, body: dict[str, Any], code: str, field: str
) -> None:
    assert_problem(await api.post("/v1/uploads", json=body), code, field)


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"[]", b'"text"', b"null", b"5"])
async def test_a_body_that_is_not_an_object_is_refused(api: httpx.AsyncClient, body: bytes) -> None:
    answer = await api.post("/v1/uploads", content=body, headers={"Content-Type": "application/json"})
    assert answer.json()["errors"]
    assert_problem(answer, "validation_error", answer.json()["errors"][0]["field"])


async def test_json_needs_its_content_type(api: httpx.AsyncClient) -> None:
    """Otherwise a form of another site could send it."""
    for headers in (
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ):
        answer = await api.post("/v1/uploads", content=json.dumps({"size": 1}), headers=headers)
        assert_problem(answer, "validation_error", "Content-Type")
        assert "application/json" in answer.json()["detail"]


async def test_without_a_credential_the_answer_is_a_challenge(api: httpx.AsyncClient) -> None:
    answer = await send_bare(api, "POST", "/v1/uploads", json={})
    assert_problem(answer, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic YWxpY2U6c2VjcmV0"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer not.a.token"},
        {"Authorization": f"Bearer {token_for(secret='another secret of thirty-two bytes or more')}"},
        {"Authorization": f"Bearer {token_for(expires_in=-60)}"},
        {"Authorization": f"Bearer {token_for()}x"},
        {"Authorization": "Bearer", "X-API-Key": API_KEY, "X-On-Behalf-Of": "alice"},
        {"X-API-Key": "made up", "X-On-Behalf-Of": "alice"},
    ],
)
async def test_an_invalid_credential_is_refused(api: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """The first credential decides: an invalid one does not fall through to a valid one."""
    answer = await send_bare(api, "POST", "/v1/uploads", json={}, headers=headers)
    assert_problem(answer, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_authentication_precedes_validation(api: httpx.AsyncClient) -> None:
    answer = await send_bare(api, "POST", "/v1/uploads", json={"size": "x"})
    assert_problem(answer, "unauthenticated")


async def test_an_api_key_is_limited_to_its_policies(api: httpx.AsyncClient) -> None:
    headers = {"X-API-Key": NARROW_API_KEY, "X-On-Behalf-Of": "alice"}
    for body in ({}, {"policy": "forms"}):
        answer = await send_bare(api, "POST", "/v1/uploads", json=body, headers=headers)
        assert_problem(answer, "forbidden", "policy")
    body = {"policy": "small", "content_type": "image/png"}
    created(await send_bare(api, "POST", "/v1/uploads", json=body, headers=headers))


@pytest.mark.parametrize("user", [None, "", "%FF", "%C3"])
async def test_an_api_key_must_name_a_user(api: httpx.AsyncClient, user: str | None) -> None:
    """A missing user is a mistake in the request, not in the credential."""
    headers = {"X-API-Key": API_KEY, **({} if user is None else {"X-On-Behalf-Of": user})}
    answer = await send_bare(api, "POST", "/v1/uploads", json={}, headers=headers)
    assert_problem(answer, "validation_error", "X-On-Behalf-Of")


async def test_a_user_too_long_for_a_key_is_refused(api: httpx.AsyncClient) -> None:
    """The user's segment of a key has at most 255 bytes."""
    answer = await api.post(
        "/v1/uploads", json={}, headers={"Authorization": f"Bearer {token_for('é' * 43)}"}
    )
    assert_problem(answer, "forbidden")
