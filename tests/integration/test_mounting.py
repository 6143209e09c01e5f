"""The routes included in another app, with its own authentication: docs/mounting.md, executed."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel
from tests.support.api import assert_problem, created, s3_that_is_down
from tests.support.servers import ROOT, S3Server
from tests.support.service import BASE_URL, settings_for

from uploadsvc.app import create_router
from uploadsvc.domain.principal import Principal
from uploadsvc.settings import Settings

SNIPPET = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs/mounting.md").read_text(encoding="utf-8"), re.DOTALL
)[0]
ANN = {"x-demo-session": "ann"}


def environment(server: S3Server) -> dict[str, str]:
    """Return the environment of the example: a bucket, and nothing about authentication."""
    s3 = settings_for(server)["s3"]
    variables = {
        f"UPLOADSVC_S3__{name.upper()}": str(value) for name, value in s3.items() if value is not None
    }
    return {"UPLOADSVC_SECRET_KEY": "k" * 32, **variables}


@pytest.fixture
def example(moto_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """Run the document's example."""
    for name, value in environment(moto_server).items():
        monkeypatch.setenv(name, value)
    names: dict[str, Any] = {}
    # FastAPI resolves annotations in the globals of the functions.
    exec(compile(SNIPPET, "docs/mounting.md", "exec"), names)  # noqa: S102 - our own document
    app = names["app"]
    assert isinstance(app, FastAPI)
    return app


@asynccontextmanager
async def client_of(app: FastAPI, headers: Mapping[str, str] = ANN) -> AsyncIterator[httpx.AsyncClient]:
    """Run an app with its lifespan."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL, headers=headers) as client,
    ):
        yield client


def mounted(**policies: object) -> FastAPI:
    """Return an app whose authentication is synchronous and limits users to some policies."""

    def who(user: str | None = None) -> str:
        if user == "":
            try:
                int(user)
            except ValueError as error:
                raise HTTPException(400, "Bad session") from error
        if user is None:
            raise HTTPException(401, "Sign in first", headers={"WWW-Authenticate": "Basic"})
        return user

    def principal(user: Annotated[str, Depends(who)]) -> Principal:
        return Principal(user=user, policies=frozenset({"small"}))

    settings = Settings.model_validate(settings_for(s3_that_is_down(), auth={"jwt": {}}, policies=policies))
    app = FastAPI()
    app.include_router(create_router(settings, authenticate=principal), prefix="/api/files")
    return app


async def test_the_example_uploads_and_completes(example: FastAPI) -> None:
    async with client_of(example) as client, httpx.AsyncClient() as s3:
        body = {"filename": "a.txt", "content_type": "text/plain", "size": 5}
        upload = created(await client.post("/files/v1/uploads", json=body))
        assert upload["key"].startswith("uploads/ann/")
        sent = await s3.put(upload["url"], content=b"hello", headers=upload["headers"])
        assert sent.status_code == 200
        answer = await client.post(f"/files/v1/uploads/{upload['id']}/complete")
        assert answer.json()["object"]["size"] == 5
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        bob = {"x-demo-session": "bob"}
        assert_problem(await client.get(f"/files/v1/uploads/{upload['id']}", headers=bob), "not_found")
        assert (await client.get("/files/.well-known/jwks.json")).json() == {"keys": []}
        assert (await client.get("/files/uploads")).status_code == 200


async def test_errors_of_the_apps_authentication_are_left_to_the_app(example: FastAPI) -> None:
    """Errors of the routes are problems, although the app has no handler for them."""
    async with client_of(example, headers={}) as client:
        answer = await client.post("/files/v1/uploads", json={})
        assert (answer.status_code, answer.json()) == (401, {"detail": "Sign in first"})
        assert_problem(
            await client.post("/files/v1/uploads", json={"size": -1}, headers=ANN), "validation_error", "size"
        )
        answer = await client.post("/files/v1/uploads", json={"policy": "x"}, headers=ANN)
        assert_problem(answer, "policy_not_found", "policy")
        long = {"filename": "x" * 2_000_000}
        assert_problem(await client.post("/files/v1/uploads", json=long, headers=ANN), "body_too_large")
        bad = {**ANN, "content-type": "application/json"}
        assert_problem(
            await client.post("/files/v1/uploads", content=b'"\xff"', headers=bad), "validation_error"
        )
        assert (await client.get("/nowhere")).json() == {"detail": "Not Found"}


async def test_health_pages_and_tokens_are_not_included(example: FastAPI) -> None:
    async with client_of(example) as client:
        for path in ("/v1/policies", "/files/healthz", "/files/readyz", "/files/", "/files/web/uploadsvc.js"):
            assert (await client.get(path)).status_code == 404
        assert (await client.post("/files/v1/tokens", json={})).status_code == 404


async def test_any_dependency_can_authenticate() -> None:
    """Also a synchronous one with parameters of its own."""
    async with client_of(mounted(small={"max_size": 10}), headers={}) as client:
        answer = await client.post("/api/files/v1/uploads", json={})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Basic"
        answer = await client.get("/api/files/v1/policies?user=")
        assert (answer.status_code, answer.json()) == (400, {"detail": "Bad session"})
        path = "/api/files/v1/uploads?user=zoe"
        assert created(await client.post(path, json={"policy": "small", "size": 1}))["key"].startswith(
            "uploads/zoe/"
        )
        assert_problem(await client.post(path, json={"size": 1}), "forbidden", "policy")
        answer = await client.get("/api/files/v1/policies?user=zoe")
        assert [policy["name"] for policy in answer.json()["policies"]] == ["small"]


def test_the_apps_document_is_valid(example: FastAPI) -> None:
    """Also if the app has a model with the same name."""

    class Problem(BaseModel):
        text: str

    example.add_api_route("/own", lambda: Problem(text="Own."), response_model=Problem)
    document = example.openapi()
    assert not [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()]
    assert "/files/v1/uploads" in document["paths"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    referred = set(re.findall(r"#/components/schemas/([^']+)'", str(document)))
    assert referred <= document["components"]["schemas"].keys()


async def test_two_routers_can_be_included_in_one_app() -> None:
    """Each with its own settings."""
    app = mounted(small={"max_size": 10})
    other = Settings.model_validate(settings_for(s3_that_is_down(), auth={"jwt": {}}, key_prefix="other"))
    app.include_router(create_router(other, authenticate=lambda: Principal(user="pat")), prefix="/other")
    async with client_of(app, headers={}) as client:
        assert created(await client.post("/other/v1/uploads", json={"size": 1}))["key"].startswith(
            "other/pat/"
        )
        answer = await client.post("/api/files/v1/uploads?user=zoe", json={"policy": "small", "size": 1})
        assert created(answer)["key"].startswith("uploads/zoe/")
