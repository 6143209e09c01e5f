"""`GET /v1/policies`: rules that a front end can check in advance."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.support.api import AUTH, NARROW_API_KEY, assert_problem, created, s3_that_is_down, send_bare
from tests.support.servers import S3Server
from tests.support.service import service_client, settings_for

POLICIES: dict[str, Any] = {
    "small": {
        "min_size": 1,
        "max_size": 10,
        "content_types": ["image/png", "image/jpeg"],
        "client_keys": True,
        "checksum": "required",
        "metadata": {"album": None, "origin": "web"},
        "expires_in": 60,
        "max_expires_in": 120,
    },
    "fixed": {"key": "avatar", "overwrite": False, "checksum": "off", "methods": ["put", "post"]},
    "secretive": {
        "kms_key_id": "arn:aws:kms:eu-central-1:111122223333:key/one",
        "server_side_encryption": "aws:kms",
        "tags": {"team": "media"},
        "acl": "private",
    },
}
SETTINGS = settings_for(s3_that_is_down(), auth=AUTH, policies=POLICIES)


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app whose S3 is down."""
    async with service_client(SETTINGS) as client:
        yield client


@pytest.fixture
async def whole_api(moto_server: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app over moto, which can begin multipart uploads."""
    async with service_client(settings_for(moto_server, auth=AUTH, policies=POLICIES)) as client:
        yield client


async def by_name(api: httpx.AsyncClient) -> dict[str, Any]:
    answer = await api.get("/v1/policies")
    assert answer.status_code == 200
    return {policy["name"]: policy for policy in answer.json()["policies"]}


async def test_a_policy_lists_its_rules(api: httpx.AsyncClient) -> None:
    """With the defaults of the settings."""
    policies = await by_name(api)
    assert list(policies) == ["default", "fixed", "secretive", "small"]
    assert policies["small"] == {
        "name": "small",
        "min_size": 1,
        "max_size": 10,
        "content_types": ["image/jpeg", "image/png"],
        "content_encodings": [],
        "methods": ["post", "put"],
        "expires_in": 60,
        "max_expires_in": 120,
        "client_keys": True,
        "client_keys_prefix": "",
        "keeps_folders": False,
        "overwrite": False,
        "metadata": ["album"],
        "checksum": "required",
        "checksum_algorithms": ["crc32", "crc32c", "crc64nvme", "sha256"],
    }
    assert policies["default"]["methods"] == ["multipart", "post", "put"]
    assert policies["default"]["content_types"] == ["*/*"]
    assert policies["default"]["max_size"] == 5 * 1024**3
    # A form cannot forbid overwriting, and this key is the same each time.
    assert policies["fixed"]["methods"] == ["put"]
    assert policies["fixed"]["checksum_algorithms"] == []


async def test_a_policy_does_not_list_what_only_the_operator_needs_to_know(api: httpx.AsyncClient) -> None:
    """Encryption keys, tags, fixed metadata."""
    text = (await api.get("/v1/policies")).text
    assert not [word for word in ("kms", "arn:", "media", "acl", "web") if word in text]


async def test_a_credential_sees_its_own_policies_only(api: httpx.AsyncClient) -> None:
    headers = {"X-API-Key": NARROW_API_KEY, "X-On-Behalf-Of": "bob"}
    answer = await send_bare(api, "GET", "/v1/policies", headers=headers)
    assert [policy["name"] for policy in answer.json()["policies"]] == ["small"]
    assert_problem(await send_bare(api, "GET", "/v1/policies"), "unauthenticated")


async def test_listed_methods_work_and_others_do_not(whole_api: httpx.AsyncClient) -> None:
    for name, policy in (await by_name(whole_api)).items():
        for method in ("put", "post", "multipart"):
            body: dict[str, Any] = {"policy": name, "method": method, "size": 5, "filename": "a.png"}
            if policy["checksum"] == "required":
                body["checksum"] = {"algorithm": "crc32", "value": "AAAAAA=="}
            answer = await whole_api.post("/v1/uploads", json=body)
            if method in policy["methods"]:
                assert created(answer)["method"] == method
            else:
                assert_problem(answer, "method_not_available", "method")


@pytest.mark.parametrize("name", ["default", "vast"])
async def test_the_listed_maximum_is_exact(moto_server: S3Server, name: str) -> None:
    """5 GiB unless the settings say more."""
    vast = {"vast": {"max_size": "5TiB"}}
    async with service_client(settings_for(moto_server, policies=vast)) as api:
        size = (await by_name(api))[name]["max_size"]
        assert size == (5 * 1024**3 if name == "default" else 5 * 1024**4)
        asked = {"policy": name, "size": size}
        assert created(await api.post("/v1/uploads", json=asked))["method"] == "multipart"
        refused = await api.post("/v1/uploads", json={**asked, "size": size + 1})
        assert_problem(refused, "file_too_large", "size")


async def test_without_multipart_the_maximum_is_that_of_one_request(moto_server: S3Server) -> None:
    single = {"single": {"max_size": "6GiB", "methods": ["put", "post"]}}
    async with service_client(settings_for(moto_server, policies=single)) as api:
        assert (await by_name(api))["single"]["max_size"] == 5 * 1024**3
