"""The whole service mounted in another app: docs/mounting.md, executed."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.middleware.cors import CORSMiddleware
from tests.support.api import assert_problem, created
from tests.support.pages import examples, text_of
from tests.support.processes import environment_for
from tests.support.servers import ROOT, S3Server
from tests.support.service import BASE_URL, authorization, token_for

EXAMPLE: Final = examples(text_of("docs/mounting.md").partition("## Mount the whole service")[2], "python")[0]
ORIGIN: Final = "https://app.example.com"


@pytest.fixture
def app(moto_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """Run the document's example in an app with an operation of its own."""
    more = {"UPLOADSVC_AUTH__JWT__COOKIE": "session", "UPLOADSVC_CORS__ALLOW_ORIGINS": ORIGIN}
    for name, value in environment_for(moto_server, **more).items():
        monkeypatch.setenv(name, value)
    names: dict[str, Any] = {}
    exec(compile(EXAMPLE, "docs/mounting.md", "exec"), names)  # noqa: S102 - our own document
    app = names["app"]
    assert isinstance(app, FastAPI)
    app.add_api_route("/own", lambda: "mine")
    return app


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Run an app with its lifespan."""
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client,
    ):
        yield client


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Call the app without a credential."""
    async with client_of(app) as client:
        yield client


@pytest.mark.parametrize("size", [5, 70_000_000])
async def test_the_example_creates_uploads(client: httpx.AsyncClient, size: int) -> None:
    upload = created(await client.post("/files/v1/uploads", json={"size": size}, headers=authorization()))
    assert upload["key"].startswith("uploads/alice/")
    status = await client.get(f"/files/v1/uploads/{upload['id']}", headers=authorization())
    assert status.json()["status"] == "pending"
    hers = await client.get(f"/files/v1/uploads/{upload['id']}", headers=authorization("bob"))
    assert_problem(hers, "not_found")


async def test_an_upload_from_token_to_receipt(client: httpx.AsyncClient) -> None:
    minted = await client.post("/files/v1/tokens", json={}, headers=authorization())
    bearer = {"Authorization": f"Bearer {minted.json()['token']}"}
    upload = created(await client.post("/files/v1/uploads", json={"size": 5}, headers=bearer))
    async with httpx.AsyncClient() as s3:
        sent = await s3.put(upload["url"], content=b"hello", headers=upload["headers"])
        assert sent.status_code == 200
    done = await client.post(f"/files/v1/uploads/{upload['id']}/complete", headers=bearer)
    assert done.json()["object"]["size"] == 5
    assert (await client.get("/files/readyz")).status_code == 200
    assert (await client.get("/files/.well-known/jwks.json")).json() == {"keys": []}
    module = await client.get("/files/web/uploadsvc.js")
    assert module.headers["content-type"].startswith("text/javascript")


async def test_only_paths_below_the_mount_answer_with_problems(client: httpx.AsyncClient) -> None:
    assert_problem(await client.post("/files/v1/uploads", json={}), "unauthenticated")
    assert_problem(await client.get("/files/nowhere"), "not_found")
    assert_problem(await client.get("/files/v1/uploads/batch", headers=authorization()), "not_found")
    assert_problem(await client.put("/files/v1/uploads", headers=authorization()), "method_not_allowed")
    assert (await client.get("/nowhere")).json() == {"detail": "Not Found"}
    assert (await client.get("/own")).json() == "mine"
    assert (await client.get("/v1/policies", headers=authorization())).status_code == 404


async def test_the_documents_server_is_the_mount_path(client: httpx.AsyncClient) -> None:
    document = (await client.get("/files/openapi.json")).json()
    committed = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
    assert document == {**committed, "servers": [{"url": "/files"}]}
    assert not [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()]
    page = (await client.get("/files/docs")).text
    for address in re.findall(r'(?:src|href)="(docs/[^"]+|openapi\.json)"', page):
        assert (await client.get(f"/files/{address}")).status_code == 200
    assert list((await client.get("/openapi.json")).json()["paths"]) == ["/own"]


async def test_without_its_lifespan_the_service_answers_with_problems(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL) as client:
        answer = await client.get("/files/v1/objects", headers=authorization())
        assert_problem(answer, "internal_error")
        assert answer.json()["type"] == "/files/problems/internal_error"


async def test_a_cookie_of_the_app_authenticates(client: httpx.AsyncClient) -> None:
    """Within its path. Writes must come from the same or an allowed origin."""
    client.cookies.set("session", token_for("carol"), path="/elsewhere")
    assert_problem(await client.get("/files/v1/policies"), "unauthenticated")
    client.cookies.set("session", token_for("carol"), path="/")
    assert_problem(await client.post("/files/v1/uploads", json={}), "forbidden")
    for allowed in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": ORIGIN}):
        upload = created(await client.post("/files/v1/uploads", json={}, headers=allowed))
        assert upload["key"].startswith("uploads/carol/")


@pytest.mark.parametrize("doubled", [False, True], ids=["ours", "both"])
async def test_pages_of_allowed_origins_may_call(app: FastAPI, doubled: bool) -> None:  # noqa: FBT001 - pytest's
    """Even if the app has a CORS middleware too, each response names one origin."""
    if doubled:
        headers = ["Authorization", "Content-Type"]
        app.add_middleware(
            CORSMiddleware, allow_origins=[ORIGIN], allow_methods=["GET", "POST"], allow_headers=headers
        )
    async with client_of(app) as client:
        asked = {
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        preflight = await client.options("/files/v1/uploads", headers=asked)
        assert preflight.status_code == 200
        answer = await client.post(
            "/files/v1/uploads", json={}, headers={**authorization(), "Origin": ORIGIN}
        )
        for one in (preflight, answer):
            assert one.headers.get_list("access-control-allow-origin") == [ORIGIN]
        other = await client.get("/files/healthz", headers={"Origin": "https://other.example.com"})
        assert "access-control-allow-origin" not in other.headers
