"""Upload tokens on existing uploads: the service calls S3, which is down, only for those in their scope."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.support.api import API_KEY, AUTH, assert_problem, bearer, created, issued, s3_that_is_down
from tests.support.service import SECRET_KEY, service_client, settings_for

SETTINGS = settings_for(s3_that_is_down(), auth=AUTH, policies={"small": {"max_size": 10}})


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app whose S3 is down."""
    async with service_client(SETTINGS) as client:
        yield client


async def test_a_token_reaches_uploads_of_its_policies_only(api: httpx.AsyncClient) -> None:
    """Including those that its user created with another credential."""
    ids = {
        name: created(await api.post("/v1/uploads", json={"policy": name, "size": 1}))["id"]
        for name in ("default", "small")
    }
    own, others = (
        bearer(await issued(api, policies=["small"])),
        bearer(await issued(api, {"X-API-Key": API_KEY}, user="bob")),
    )
    for method, tail in (("GET", ""), ("POST", "/complete"), ("DELETE", "")):
        path = f"/v1/uploads/{ids['small']}{tail}"
        assert_problem(await api.request(method, path, headers=own), "storage_unavailable")
        assert_problem(await api.request(method, path, headers=others), "not_found")
        path = f"/v1/uploads/{ids['default']}{tail}"
        assert_problem(await api.request(method, path, headers=own), "forbidden", "policy")


async def test_tokens_and_ids_survive_a_key_rotation() -> None:
    """As long as the old key is in the list."""
    new = "another secret key of the service, 32 bytes or more"
    async with service_client(SETTINGS) as api:
        headers = bearer(await issued(api))
        upload_id = created(await api.post("/v1/uploads", json={"size": 1}))["id"]
    rotated = {**SETTINGS, "secret_key": None, "secret_keys": [new, SECRET_KEY]}
    async with service_client(rotated) as api:
        assert created(await api.post("/v1/uploads", json={"size": 1}, headers=headers))
        assert_problem(await api.get(f"/v1/uploads/{upload_id}"), "storage_unavailable")
        fresh = bearer(await issued(api))
    async with service_client({**SETTINGS, "secret_key": new}) as api:
        assert_problem(await api.post("/v1/uploads", json={}, headers=headers), "unauthenticated")
        assert_problem(await api.get(f"/v1/uploads/{upload_id}"), "not_found")
        assert created(await api.post("/v1/uploads", json={"size": 1}, headers=fresh))


async def test_an_id_from_a_batch_names_its_upload(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/uploads/batch", json={"uploads": [{"size": 1}]})
    upload_id = answer.json()["results"][0]["upload"]["id"]
    assert_problem(await api.get(f"/v1/uploads/{upload_id}"), "storage_unavailable")
