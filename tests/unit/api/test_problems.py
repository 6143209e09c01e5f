"""Every error is a problem (RFC 9457), whatever raised it."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from tests.support.api import ARGUMENTS, assert_problem, s3_that_is_down
from tests.support.service import BASE_URL, service_client, settings_for

from uploadsvc.api.problems import STATUS_TITLES, Problem, problem_responses, register_problems
from uploadsvc.api.routing import problem_router
from uploadsvc.domain import errors
from uploadsvc.domain.rates import Rate, Standing

CODES = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.UploadsvcError) and kind.__mro__[1] is not Exception
}


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app whose S3 is down."""
    async with service_client(settings_for(s3_that_is_down())) as client:
        yield client


async def response_to(error: Exception) -> httpx.Response:
    """Return the response of a route that raises this error."""
    app, router = FastAPI(), problem_router(tag="test")
    register_problems(app)

    async def fail() -> None:
        raise error

    router.add_api_route("/", fail)
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL) as client:
        return await client.get("/")


def test_every_domain_error_has_a_status() -> None:
    """Three more codes exist for HTTP only."""
    only_http = {"method_not_allowed", "body_too_large", "internal_error"}
    assert STATUS_TITLES.keys() == CODES.keys() | only_http
    assert not CODES.keys() & only_http


@pytest.mark.parametrize("code", sorted(CODES))
async def test_domain_errors_become_problems(code: str) -> None:
    error = CODES[code]("It went wrong.", **ARGUMENTS.get(code, {}))
    error.field = "size"
    answer = await response_to(error)
    assert_problem(answer, code, "size")
    assert answer.json()["detail"] == "It went wrong."
    assert answer.json()["errors"][0]["detail"] == "It went wrong."
    assert ("www-authenticate" in answer.headers) is (code == "unauthenticated")
    waits = code in {"rate_limited", "storage_unavailable", "overloaded"}
    assert ("retry-after" in answer.headers) is waits


async def test_retry_after_comes_from_the_error() -> None:
    for error in (
        errors.StorageUnavailable("Down.", retry_after=7),
        errors.ObjectUnavailable("Not scanned.", retry_after=7),
    ):
        assert (await response_to(error)).headers["retry-after"] == "7"


async def test_a_limit_says_what_it_allows_and_what_is_left() -> None:
    """As structured fields (RFC 9651)."""
    standing = Standing("policy-default", Rate(60, "hour"), free=3, wait=12)
    headers = (await response_to(errors.RateLimited("Wait.", standing))).headers
    assert headers["retry-after"] == "12"
    assert headers["ratelimit-policy"] == '"policy-default";q=60;w=3600'
    assert headers["ratelimit"] == '"policy-default";r=3;t=12'


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "validation_error"),
        (401, "unauthenticated"),
        (403, "forbidden"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (413, "body_too_large"),
    ],
)
async def test_framework_errors_become_problems(status: int, code: str) -> None:
    """Their headers are kept."""
    answer = await response_to(HTTPException(status, "Its detail.", headers={"X-Kept": "yes"}))
    assert_problem(answer, code)
    assert answer.headers["x-kept"] == "yes"


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v1", "/v1/uploads/a/b/c", "/web/nothing.js", "/web/../app.py"]
)
async def test_unknown_paths_are_problems(api: httpx.AsyncClient, path: str) -> None:
    assert_problem(await api.get(path), "not_found")


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/v1/uploads"), ("POST", "/healthz"), ("PATCH", "/uploads")]
)
async def test_unknown_methods_are_problems(api: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await api.request(method, path)
    assert_problem(answer, "method_not_allowed")
    assert answer.headers["allow"]


async def test_every_malformed_field_is_named(api: httpx.AsyncClient) -> None:
    """All at once, as the contract spells them."""
    body = {"size": -1, "expires_in": "soon", "method": "ftp", "other": 1, "checksum": {}}
    answer = await api.post("/v1/uploads", json=body)
    fields = ["size", "method", "checksum.algorithm", "expires_in", "other"]
    assert_problem(answer, "validation_error", *fields)
    details = {error["field"]: error["detail"] for error in answer.json()["errors"]}
    assert details["checksum.algorithm"] == "It has to be given."
    assert details["other"] == "There is no such field."
    assert all(detail.endswith(".") for detail in details.values())


async def test_malformed_json_says_where(api: httpx.AsyncClient) -> None:
    answer = await api.post(
        "/v1/uploads", content=b'{"size": 1,\n  size: 2}', headers={"content-type": "application/json"}
    )
    assert_problem(answer, "validation_error", "body")
    assert "at line 2, column 3" in answer.json()["detail"]


async def test_a_body_of_unknown_fields_is_one_error(api: httpx.AsyncClient) -> None:
    """One for each would hold the event loop."""
    for body in ({f"k{n}": 1 for n in range(21)}, {"metadata": {f"k{n}": 1 for n in range(251)}}):
        assert_problem(await api.post("/v1/uploads", json=body), "validation_error", "body")


def test_field_names_with_lone_surrogates_are_escaped() -> None:
    problem = Problem("validation_error", "No.", [{"field": "\ud800", "detail": "No."}])
    assert b"\\ud800" in bytes(problem.response().body)


async def test_unknown_field_names_are_escaped_and_cut(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/uploads", json={"a\nb": 1})
    assert_problem(answer, "validation_error", "a\\nb")
    answer = await api.post("/v1/uploads", json={"x" * 500: 1})
    assert_problem(answer, "validation_error", "x" * 200)


def test_documented_problems_are_grouped_by_status() -> None:
    responses = problem_responses("size_required", "not_found", "validation_error")
    assert list(responses) == [404, 422]
    examples = responses[422]["content"]["application/problem+json"]["examples"]
    assert examples.keys() == {"size_required", "validation_error"}
    assert examples["size_required"]["value"]["status"] == 422
