"""Rates over the HTTP API, counted in this process."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Header
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
from tests.support.better_upload import NOTE, assert_refused, granted, offer
from tests.support.service import BASE_URL, authorization, service_client, settings_for, token_for

from uploadsvc.app import Principal, create_app, create_router
from uploadsvc.settings import Settings
from uploadsvc.telemetry.metrics import Metrics

_UPLOAD = {"filename": "a.txt", "size": 1}


def _settings(*, rate: str | None = None, **limits: str) -> dict[str, Any]:
    policies = {"default": {"rate": rate} if rate else {}, "small": {"unsized_multipart": True}}
    return settings_for(s3_that_is_down(), auth=AUTH, policies=policies, limits=limits)


def _limited(answer: httpx.Response, name: str, *, amount: int, seconds: int = 60, free: int = 0) -> None:
    """Assert that a response is a refusal by this limit, and says for how long."""
    assert_problem(answer, "rate_limited")
    wait = int(answer.headers["retry-after"])
    assert 1 <= wait <= 2 * seconds
    assert answer.headers["ratelimit-policy"] == f'"{name}";q={amount};w={seconds}'
    assert answer.headers["ratelimit"] == f'"{name}";r={free};t={wait}'


def _uploads(*names: str) -> dict[str, Any]:
    return {"uploads": [{**_UPLOAD, "policy": name} for name in names]}


async def test_counts_the_requests_of_each_user() -> None:
    async with service_client(_settings(user="3/minute")) as api:
        created(await api.post("/v1/uploads", json=_UPLOAD))
        for path in ("/v1/policies", "/uploads?filename=a.txt&size=1"):
            assert (await api.get(path)).status_code == 200
        for method, path in (("GET", "/v1/policies"), ("POST", "/v1/uploads"), ("GET", "/uppy/s3/params")):
            refused = await api.request(method, path, json=_UPLOAD if method == "POST" else None)
            wait = refused.headers["retry-after"]
            assert refused.json()["detail"] == (
                f"A user may send 3 requests per minute; try again in {wait} seconds."
            )
        _limited(await api.post("/v1/uploads", json=_UPLOAD), "user", amount=3)

        assert (await api.get("/v1/policies", headers=authorization("bob"))).status_code == 200
        assert (await api.get("/healthz")).status_code == 200


async def test_each_request_is_counted_once() -> None:
    """The hot path passes a request with a wrong body on to FastAPI, which authenticates it again."""
    async with service_client(_settings(user="2/minute", address="1/minute")) as api:
        assert_problem(await api.post("/v1/uploads", json={"size": -1}), "validation_error", "size")
        created(await api.post("/v1/uploads", json=_UPLOAD))
        _limited(await api.post("/v1/uploads", json={"size": -1}), "user", amount=2)
        nobody = {"Authorization": "Bearer nothing"}
        assert_problem(await api.post("/v1/uploads", json=_UPLOAD, headers=nobody), "unauthenticated")
        _limited(await api.post("/v1/uploads", json=_UPLOAD, headers=nobody), "address", amount=1)


async def test_a_service_is_counted_for_all_its_users_and_each_of_them() -> None:
    limits = {"user": "2/minute", "service": "3/minute"}
    async with service_client(_settings(**limits)) as api:

        async def ask(user: str, key: str = API_KEY) -> httpx.Response:
            headers = {"X-API-Key": key, "X-On-Behalf-Of": user}
            return await send_bare(api, "GET", "/v1/policies", headers=headers)

        assert [(await ask("ann")).status_code for _ in range(2)] == [200, 200]
        _limited(await ask("ann"), "user", amount=2)
        # The refused one counts for nobody.
        assert (await ask("bob")).status_code == 200
        refused = await ask("cid")
        _limited(refused, "service", amount=3)
        assert refused.json()["detail"].startswith("The service 'wide' may send 3 requests per minute;")
        assert (await ask("cid", NARROW_API_KEY)).status_code == 200
        assert (await api.get("/v1/policies")).status_code == 200
        # The token of a user counts as the user.
        token = await issued(api, headers=authorization("dora"))
        assert (await api.get(f"/uppy/{token}/s3/params?filename=a")).status_code == 200
        refused = await send_bare(api, "POST", "/v1/uploads", json=_UPLOAD, headers=bearer(token))
        _limited(refused, "user", amount=2)


async def test_an_upload_counts_under_its_policy_and_for_its_user() -> None:
    async with service_client(_settings(rate="2/hour")) as api:
        for _ in range(2):
            created(await api.post("/v1/uploads", json=_UPLOAD))
        refused = await api.post("/v1/uploads", json=_UPLOAD)
        _limited(refused, "policy-default", amount=2, seconds=3600)
        assert refused.json()["detail"].startswith("Policy 'default' allows 2 uploads of one user per hour;")
        created(await api.post("/v1/uploads", json={**_UPLOAD, "policy": "small"}))
        created(await api.post("/v1/uploads", json=_UPLOAD, headers=authorization("bob")))
        assert (await api.get("/v1/policies")).status_code == 200


async def test_of_a_batch_as_many_pass_as_the_rate_allows() -> None:
    async with service_client(_settings(rate="60/minute")) as api:
        answer = await api.post("/v1/uploads/batch", json=_uploads(*["default", "small"] * 50))
        assert all("upload" in result for result in answer.json()["results"])
        answer = await api.post("/v1/uploads/batch", json=_uploads(*["default"] * 12))
        results = answer.json()["results"]
        assert ["upload" in result for result in results] == [True] * 10 + [False] * 2
        problem = results[-1]["problem"]
        assert (problem["code"], problem["status"]) == ("rate_limited", 429)
        assert problem["detail"].startswith("Policy 'default' allows 60 uploads of one user per minute; try")


async def test_a_batch_of_a_hundred_counts_as_a_hundred_requests() -> None:
    """An unknown policy is refused, and counts too."""
    async with service_client(_settings(user="150/minute", service="1/day")) as api:
        await api.post("/v1/uploads/batch", json=_uploads(*["default"] * 99, "nothing"))
        answer = await api.post("/v1/uploads/batch", json=_uploads(*["default"] * 100))
        codes = [result.get("problem", {}).get("code") for result in answer.json()["results"]]
        assert codes == [None] * 50 + ["rate_limited"] * 50
        _limited(await api.get("/v1/policies"), "user", amount=150)


async def test_files_of_better_upload_pass_together_or_not_at_all() -> None:
    files = [{**NOTE, "name": f"{number}.txt"} for number in range(6)]
    async with service_client(_settings(rate="5/minute", user="12/minute")) as api:
        await granted(api, *files[:3])
        refused = await offer(api, *files[:3])
        assert_refused(refused, "invalid_request", 429)
        assert refused.headers["ratelimit"].startswith('"policy-default";r=2;t=')
        assert int(refused.headers["retry-after"]) >= 1
        # The refused ones have used up nothing, of the user's requests only the one.
        await granted(api, *files[:2])
        message = "Policy 'default' allows 5 uploads of one user per minute; ask for fewer uploads at once."
        assert_refused(await offer(api, *files), "invalid_request", 429, message)
        assert "retry-after" in refused.headers


async def test_each_file_of_better_upload_counts_as_a_request_of_its_user() -> None:
    async with service_client(_settings(user="3/minute")) as api:
        await granted(api, *({**NOTE, "name": f"{number}.txt"} for number in range(3)))
        _limited(await api.get("/v1/policies"), "user", amount=3)


async def test_uppys_ways_count_as_uploads() -> None:
    async with service_client(_settings(rate="1/minute")) as api:
        small = {"metadata[policy]": "default", "filename": "a.txt"}
        assert (await api.get("/uppy/s3/params", params=small)).status_code == 200
        answers = [
            await api.get("/uppy/s3/params", params=small),
            await api.post("/uppy/s3/multipart", json={"filename": "a.txt", "metadata": {"size": 1}}),
            await api.post("/uppy/sign", json={"method": "PUT", "key": "a.txt", "size": 1}),
            await api.post("/uppy/sign", json={"method": "PUT", "key": "a.txt"}),
            await api.post("/uppy/sign", json={"method": "POST", "key": "a.txt"}),
            await api.get("/uploads", params={"filename": "a.txt"}),
        ]
        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited"), answer.text
            assert answer.headers["ratelimit-policy"] == '"policy-default";q=1;w=60'
        body = answers[0].json()
        assert (body["error"], body["message"]) == ("rate_limited", body["detail"])


async def test_bad_credentials_from_one_address_are_refused_and_good_ones_pass() -> None:
    """Whoever shares the address with an attacker must not be locked out."""
    async with service_client(_settings(address="2/minute")) as api:

        async def ask(**headers: str) -> httpx.Response:
            return await send_bare(api, "GET", "/v1/policies", headers=headers)

        assert_problem(await ask(), "unauthenticated")
        assert_problem(await ask(**{"X-API-Key": "guess"}), "unauthenticated")
        refused = await ask(Authorization="Bearer a.b.c")
        _limited(refused, "address", amount=2)
        assert "www-authenticate" not in refused.headers
        assert (await send_bare(api, "GET", "/uppy/a.b.c/s3/params")).status_code == 429
        for _ in range(3):
            assert (await api.get("/v1/policies")).status_code == 200
        good = {"X-API-Key": API_KEY, "X-On-Behalf-Of": "ann"}
        assert (await ask(**good)).status_code == 200
        # A login that has expired was real: the page has to learn that it must sign in again.
        assert_problem(await ask(Authorization=f"Bearer {token_for(expires_in=-100)}"), "unauthenticated")


@asynccontextmanager
async def _calling_from(settings: Mapping[str, Any], peer: str) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings.model_validate(dict(settings)))
    transport = httpx.ASGITransport(app=app, client=(peer, 4711))
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL, trust_env=False) as client:
        yield client


async def test_addresses_are_those_of_clients_and_of_ipv6_networks() -> None:
    settings = _settings(address="1/minute")
    settings["auth"] = {**AUTH, "trusted_proxies": ["10.0.0.0/24"]}
    async with _calling_from(settings, "10.0.0.1") as api:

        async def ask(address: str) -> int:
            return (await api.get("/v1/policies", headers={"X-Forwarded-For": address})).status_code

        assert [await ask("192.0.2.1"), await ask("192.0.2.1"), await ask("192.0.2.2")] == [401, 429, 401]
        assert await ask("198.51.100.1, 192.0.2.1") == 429
        assert [await ask("2001:db8::1"), await ask("2001:db8::ffff:2"), await ask("2001:db8:0:1::1")] == [
            *(401, 429, 401),
        ]
        assert await ask("::ffff:192.0.2.1") == 429
    async with _calling_from(settings, "192.0.2.9") as api:
        assert [await ask("192.0.2.1"), await ask("192.0.2.3")] == [401, 429]


async def test_metrics_count_what_is_refused_without_naming_anybody() -> None:
    metrics = Metrics()
    settings = Settings.model_validate(_settings(user="3/minute", rate="1/minute", address="1/minute"))
    app = create_app(settings, metrics=metrics)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE_URL) as api,
    ):
        for _ in range(4):
            await api.post("/v1/uploads", json=_UPLOAD, headers=authorization())
            await api.get("/v1/policies")
    hit = {labels: numbers for name, labels, numbers in metrics.cells.snapshot() if "limits_hit" in name}
    assert {labels: list(numbers) for labels, numbers in hit.items()} == {
        ("rate", "default"): [2.0],
        ("user", "(none)"): [1.0],
        ("address", "(none)"): [3.0],
    }


async def test_a_host_apps_users_are_counted() -> None:
    async def principal(x_user: Annotated[str, Header()]) -> Principal:
        return Principal(user=x_user)

    app = FastAPI()
    settings = Settings.model_validate(_settings(user="2/minute", rate="1/minute"))
    app.include_router(create_router(settings, authenticate=principal), prefix="/files")
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE_URL) as api,
    ):
        headers = {"X-User": "ann"}
        created(await api.post("/files/v1/uploads", json=_UPLOAD, headers=headers))
        refused = await api.post("/files/v1/uploads", json=_UPLOAD, headers=headers)
        _limited(refused, "policy-default", amount=1)
        _limited(await api.get("/files/v1/policies", headers=headers), "user", amount=2)
        assert (await api.get("/files/v1/policies", headers={"X-User": "bob"})).status_code == 200


@pytest.mark.parametrize("limits", [{}, {"address": "1/minute"}])
async def test_without_a_limit_nothing_is_refused(limits: dict[str, str]) -> None:
    async with service_client(_settings(**limits)) as api:
        answer = await api.post("/v1/uploads/batch", json=_uploads(*["default"] * 100))
        assert all("upload" in result for result in answer.json()["results"])
        assert "ratelimit" not in answer.headers


async def test_each_key_of_a_delete_costs_one_request() -> None:
    """As many as fit are deleted, and the others are told to wait; the next request has nothing left."""
    settings = {**_settings(user="4/minute"), "objects": {"delete": True}}
    keys = [f"elsewhere/{number}" for number in range(6)]
    async with service_client(settings) as api:
        answer = await api.post("/v1/objects/delete", json={"keys": keys})
        codes = [one["problem"]["code"] for one in answer.json()["results"]]
        assert codes == ["not_found"] * 4 + ["rate_limited"] * 2
        _limited(await api.get("/v1/policies"), "user", amount=4)
