"""What a front end can know before it asks."""

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
    """Run the app with an S3 that is down: nobody asks it."""
    async with service_client(SETTINGS) as client:
        yield client


@pytest.fixture
async def whole_api(moto_server: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Run the app over moto, in which a multipart upload can be begun."""
    async with service_client(settings_for(moto_server, auth=AUTH, policies=POLICIES)) as client:
        yield client


async def by_name(api: httpx.AsyncClient) -> dict[str, Any]:
    """Return the policies that the caller may use."""
    answer = await api.get("/v1/policies")
    assert answer.status_code == 200
    return {policy["name"]: policy for policy in answer.json()["policies"]}


async def test_a_policy_tells_what_it_allows(api: httpx.AsyncClient) -> None:
    """All that a request can run into, and the defaults where the operator said nothing."""
    policies = await by_name(api)
    assert list(policies) == ["default", "fixed", "secretive", "small"]
    assert policies["small"] == {
        "name": "small",
        "min_size": 1,
        "max_size": 10,
        "content_types": ["image/jpeg", "image/png"],
        "methods": ["post", "put"],
        "expires_in": 60,
        "max_expires_in": 120,
        "client_keys": True,
        "overwrite": False,
        "metadata": ["album"],
        "checksum": "required",
        "checksum_algorithms": ["crc32", "crc32c", "crc64nvme", "sha256"],
    }
    assert policies["default"]["methods"] == ["multipart", "post", "put"]
    assert policies["default"]["content_types"] == ["*/*"]
    assert policies["default"]["max_size"] == 5 * 1024**3
    # A form cannot be told not to overwrite, and this key is not a new one each time.
    assert policies["fixed"]["methods"] == ["put"]
    assert policies["fixed"]["checksum_algorithms"] == []


async def test_what_is_the_operators_stays_theirs(api: httpx.AsyncClient) -> None:
    """Keys of encryption, tags, fixed metadata."""
    text = (await api.get("/v1/policies")).text
    assert not [word for word in ("kms", "arn:", "media", "acl", "web") if word in text]


async def test_a_caller_sees_their_own(api: httpx.AsyncClient) -> None:
    """A credential that reaches one policy is told of one."""
    headers = {"X-API-Key": NARROW_API_KEY, "X-On-Behalf-Of": "bob"}
    answer = await send_bare(api, "GET", "/v1/policies", headers=headers)
    assert [policy["name"] for policy in answer.json()["policies"]] == ["small"]
    assert_problem(await send_bare(api, "GET", "/v1/policies"), "unauthenticated")


async def test_the_methods_told_are_those_that_work(whole_api: httpx.AsyncClient) -> None:
    """Each one named can be asked for, and no other can."""
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
async def test_the_largest_size_told_is_taken_and_one_more_is_not(moto_server: S3Server, name: str) -> None:
    """So that a front end can say so without asking: 5 GiB unless the operator says more."""
    vast = {"vast": {"max_size": "5TiB"}}
    async with service_client(settings_for(moto_server, policies=vast)) as api:
        size = (await by_name(api))[name]["max_size"]
        assert size == (5 * 1024**3 if name == "default" else 5 * 1024**4)
        asked = {"policy": name, "size": size}
        assert created(await api.post("/v1/uploads", json=asked))["method"] == "multipart"
        refused = await api.post("/v1/uploads", json={**asked, "size": size + 1})
        assert_problem(refused, "file_too_large", "size")


async def test_without_parts_the_largest_size_is_that_of_one_request(moto_server: S3Server) -> None:
    """Whatever more the policy allows."""
    single = {"single": {"max_size": "6GiB", "methods": ["put", "post"]}}
    async with service_client(settings_for(moto_server, policies=single)) as api:
        assert (await by_name(api))["single"]["max_size"] == 5 * 1024**3
