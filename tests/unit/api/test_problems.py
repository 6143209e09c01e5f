"""Every error is a problem (RFC 9457), whoever raised it."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from tests.support.api import assert_problem, s3_that_is_down
from tests.support.service import BASE_URL, service_client, settings_for

from uploadsvc.api.problems import STATUS_TITLES, Problem, problem_responses, register_problems
from uploadsvc.api.routing import problem_router
from uploadsvc.domain import errors

CODES = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.UploadsvcError) and kind.__mro__[1] is not Exception
}


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Run the app with an S3 that is down."""
    async with service_client(settings_for(s3_that_is_down())) as client:
        yield client


async def raised(error: Exception) -> httpx.Response:
    """Return what an app answers whose only route raises."""
    app, router = FastAPI(), problem_router(tag="test")
    register_problems(app)

    async def fail() -> None:
        raise error

    router.add_api_route("/", fail)
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL) as client:
        return await client.get("/")


def test_the_table_has_every_error_of_the_domain() -> None:
    """What the domain raises, and three that only HTTP knows."""
    only_http = {"method_not_allowed", "body_too_large", "internal_error"}
    assert STATUS_TITLES.keys() == CODES.keys() | only_http
    assert not CODES.keys() & only_http


@pytest.mark.parametrize("code", sorted(CODES))
async def test_a_domain_error_becomes_its_problem(code: str) -> None:
    """Code, status, title, detail and field are the error's own."""
    error = CODES[code]("It went wrong.")
    error.field = "size"
    answer = await raised(error)
    assert_problem(answer, code, "size")
    assert answer.json()["detail"] == "It went wrong."
    assert answer.json()["errors"][0]["detail"] == "It went wrong."
    assert ("www-authenticate" in answer.headers) is (code == "unauthenticated")
    assert ("retry-after" in answer.headers) is (code == "storage_unavailable")


async def test_retry_after_is_the_errors_own() -> None:
    """A caller is told in how many seconds to come back."""
    answer = await raised(errors.StorageUnavailable("Down.", retry_after=7))
    assert answer.headers["retry-after"] == "7"


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
async def test_an_error_of_the_framework_becomes_a_problem(status: int, code: str) -> None:
    """Its headers stay with it."""
    answer = await raised(HTTPException(status, "Its detail.", headers={"X-Kept": "yes"}))
    assert_problem(answer, code)
    assert answer.headers["x-kept"] == "yes"


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v1", "/v1/uploads/a/b/c", "/web/nothing.js", "/web/../app.py"]
)
async def test_an_unknown_address_is_not_found(api: httpx.AsyncClient, path: str) -> None:
    """A problem, not the framework's own JSON."""
    assert_problem(await api.get(path), "not_found")


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/v1/uploads"), ("POST", "/healthz"), ("PATCH", "/uploads")]
)
async def test_another_method_is_not_allowed(api: httpx.AsyncClient, method: str, path: str) -> None:
    """The answer lists those that are."""
    answer = await api.request(method, path)
    assert_problem(answer, "method_not_allowed")
    assert answer.headers["allow"]


async def test_every_field_at_fault_is_named(api: httpx.AsyncClient) -> None:
    """All of them at once, each by the name and in the words of a person who reads the contract."""
    body = {"size": -1, "expires_in": "soon", "method": "ftp", "other": 1, "checksum": {}}
    answer = await api.post("/v1/uploads", json=body)
    fields = ["size", "method", "checksum.algorithm", "expires_in", "other"]
    assert_problem(answer, "validation_error", *fields)
    details = {error["field"]: error["detail"] for error in answer.json()["errors"]}
    assert details["checksum.algorithm"] == "It has to be given."
    assert details["other"] == "There is no such field."
    assert all(detail.endswith(".") for detail in details.values())


def test_a_name_that_is_no_unicode_can_be_answered() -> None:
    """A lone surrogate from the request's JSON is escaped, as it came."""
    problem = Problem("validation_error", "No.", [{"field": "\ud800", "detail": "No."}])
    assert b"\\ud800" in bytes(problem.response().body)


async def test_a_callers_own_name_for_a_field_is_made_plain(api: httpx.AsyncClient) -> None:
    """It stays on one line, and is cut."""
    answer = await api.post("/v1/uploads", json={"a\nb": 1})
    assert_problem(answer, "validation_error", "a\\nb")
    answer = await api.post("/v1/uploads", json={"x" * 500: 1})
    assert_problem(answer, "validation_error", "x" * 200)


def test_the_document_groups_codes_by_status() -> None:
    """One response for each status, with an example for each code."""
    responses = problem_responses("size_required", "not_found", "validation_error")
    assert list(responses) == [404, 422]
    examples = responses[422]["content"]["application/problem+json"]["examples"]
    assert examples.keys() == {"size_required", "validation_error"}
    assert examples["size_required"]["value"]["status"] == 422
