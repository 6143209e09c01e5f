"""`POST /v1/uploads/batch`: results in order, each as the single call would give it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.support.api import AUTH, NARROW_API_KEY, assert_problem, s3_that_is_down, send_bare
from tests.support.service import authorization, service_client, settings_for

POLICIES = {"small": {"max_size": 10, "content_types": ["image/png"], "client_keys": True}}
SETTINGS = settings_for(s3_that_is_down(), auth=AUTH, policies=POLICIES)


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app whose S3 is down. Signing needs no S3."""
    async with service_client(SETTINGS) as client:
        yield client


async def results(api: httpx.AsyncClient, *uploads: Any, **kwargs: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON
    answer = await api.post("/v1/uploads/batch", json={"uploads": uploads}, **kwargs)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


async def test_results_come_in_the_order_of_the_uploads(api: httpx.AsyncClient) -> None:
    found = await results(api, *({"filename": f"{n}.txt", "size": n or None} for n in range(100)))
    uploads = [result["upload"] for result in found]
    assert [upload["key"].rpartition("/")[2] for upload in uploads] == [f"{n}.txt" for n in range(100)]
    assert [upload["method"] for upload in uploads] == ["post"] + ["put"] * 99
    assert len({upload["id"] for upload in uploads}) == 100


async def test_one_refused_upload_does_not_affect_the_others(api: httpx.AsyncClient) -> None:
    """Its problem is the one that the single call would return."""
    bad: list[dict[str, Any]] = [
        {"size": 11, "policy": "small", "content_type": "image/png"},
        {"policy": "small", "filename": "a.txt"},
        {"policy": "nothing"},
        {"method": "put"},
        {"relative_key": "a"},
        {"relative_key": "..", "policy": "small", "filename": "a.png", "size": 1},
    ]
    found = await results(api, {}, *bad, {"size": 1})
    assert [list(result) for result in found] == [["upload"], *[["problem"]] * len(bad), ["upload"]]
    for one, result in zip(bad, found[1:], strict=False):
        single = await api.post("/v1/uploads", json=one)
        assert result["problem"] == single.json()
        assert result["problem"]["status"] == single.status_code


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"uploads": []}, "uploads"),
        ({"uploads": [{}] * 101}, "uploads"),
        ({}, "uploads"),
        ([], "body"),
        ({"uploads": {}}, "uploads"),
        ({"uploads": [{}, {"size": "x"}]}, "uploads.1.size"),
        ({"uploads": [{}, {"size": 1, "sizes": 1}]}, "uploads.1.sizes"),
        ({"uploads": [{}], "policy": "x"}, "policy"),
    ],
)
async def test_a_malformed_batch_is_refused_whole(api: httpx.AsyncClient, body: object, field: str) -> None:
    """The problem names the malformed upload by its index."""
    assert_problem(await api.post("/v1/uploads/batch", json=body), "validation_error", field)


async def test_a_batch_has_the_rights_of_its_credential(api: httpx.AsyncClient) -> None:
    assert_problem(
        await send_bare(api, "POST", "/v1/uploads/batch", json={"uploads": [{}]}), "unauthenticated"
    )
    (bobs,) = await results(api, {}, headers=authorization("bob"))
    assert bobs["upload"]["key"].startswith("uploads/bob/")
    headers = {"X-API-Key": NARROW_API_KEY, "X-On-Behalf-Of": "bob"}
    body = {"uploads": [{"size": 1}, {"size": 1, "policy": "small", "filename": "a.png"}]}
    answer = await send_bare(api, "POST", "/v1/uploads/batch", json=body, headers=headers)
    first, second = answer.json()["results"]
    assert first["problem"]["code"] == "forbidden"
    assert second["upload"]["key"].startswith("uploads/bob/")
