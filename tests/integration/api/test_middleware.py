"""The middleware: headers of every response, unexpected errors, the access log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import httpx
import pytest
import structlog
from fastapi import FastAPI
from starlette.responses import StreamingResponse
from structlog.testing import capture_logs
from tests.support.api import assert_problem, created, s3_that_is_down
from tests.support.servers import S3Server
from tests.support.service import BASE_URL, authorization, service_client, settings_for, token_for

from uploadsvc.app import create_app
from uploadsvc.server.logging import redact
from uploadsvc.services.create_upload import UploadCreator
from uploadsvc.settings import Settings

ORIGIN = "https://app.example.com"
DOWN = settings_for(s3_that_is_down(), cors={"allow_origins": [ORIGIN]})


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app whose S3 is down."""
    async with service_client(DOWN) as client:
        yield client


@asynccontextmanager
async def broken() -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """Serve an app with a bug in a service."""

    async def fail(*_: object) -> None:
        message = "the secret detail of a bug"
        raise ZeroDivisionError(message)

    app = create_app(Settings.model_validate(DOWN))
    transport = httpx.ASGITransport(app)
    with patch.object(UploadCreator, "create", fail):
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
            yield app, client


@pytest.mark.parametrize(
    "path", ["/healthz", "/v1/objects", "/nowhere", "/uploads", "/openapi.json", "/docs"]
)
async def test_every_response_has_security_headers(api: httpx.AsyncClient, path: str) -> None:
    """And a request id of its own."""
    first, second = await api.get(path), await api.get(path)
    for answer in (first, second):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("abc-1.2_3", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("", False), ("é", False)],
)
async def test_short_plain_request_ids_are_kept(api: httpx.AsyncClient, sent: str, kept: bool) -> None:  # noqa: FBT001 - pytest's
    headers = [(b"X-Request-ID", sent.encode())]
    named = (await api.get("/healthz", headers=headers)).headers["x-request-id"]
    assert (named == sent) is kept
    assert named.isascii()
    assert 0 < len(named) <= 64


async def test_the_access_log_says_why_a_credential_was_refused() -> None:
    """By every client's routes; without anything of the token."""
    expired, forged = token_for(expires_in=-3600), token_for(secret="x" * 32)
    calls = [
        ("/v1/objects", "", "no_credential"),
        ("/v1/objects", "Basic YTpi", "scheme"),
        ("/v1/objects", f"Bearer {expired}", "expired"),
        ("/v1/objects", f"Bearer {forged}", "signature"),
        ("/uppy/s3/params", f"Bearer {token_for(nbf=2**40)}", "not_yet_valid"),
        (f"/uppy/{forged}/s3/params", "", "service_token"),
    ]
    async with service_client(DOWN, user=None) as api:
        with capture_logs() as logs:
            for path, credential, _ in calls:
                answer = await api.get(path, headers={"Authorization": credential} if credential else {})
                assert answer.status_code == 401
            await api.get("/v1/policies", headers=authorization())
    requests = [line for line in logs if line["event"] == "request"]
    assert [line.get("reason") for line in requests] == [*(reason for *_, reason in calls), None]
    assert not any(part in str(logs) for token in (expired, forged) for part in token.split("."))


async def test_an_unexpected_error_is_a_problem_without_a_trace() -> None:
    """The response has the request id, the log has the trace."""
    async with broken() as (_, client):
        headers = {**authorization(), "Origin": ORIGIN, "X-Request-ID": "one"}
        with capture_logs() as logs:
            answer = await client.post("/v1/uploads", json={}, headers=headers)
    assert_problem(answer, "internal_error")
    assert "one" in answer.json()["detail"]
    assert "secret detail" not in answer.text
    assert "ZeroDivision" not in answer.text
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["x-request-id"] == "one"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("unexpected_error", "error"),
        ("request", "info"),
    ]
    assert "ZeroDivisionError: the secret detail of a bug" in logs[0]["exception"]
    assert (logs[1]["status"], logs[1]["route"], logs[1]["user"]) == (500, "/v1/uploads", "alice")


async def test_a_trace_shows_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """They hold tokens, and an app that mounts this one may not have configured the log."""
    async with broken() as (_, client):
        await client.post("/v1/uploads", json={}, headers=authorization())
    written = capsys.readouterr()
    assert "ZeroDivisionError" in written.out
    assert authorization()["Authorization"].partition(".")[0].removeprefix("Bearer ") not in written.out


async def test_a_response_that_has_begun_is_broken_off() -> None:
    async with broken() as (app, client):

        async def half() -> AsyncIterator[bytes]:
            yield b"half"
            raise ZeroDivisionError

        app.add_api_route("/half", lambda: StreamingResponse(half()))
        with pytest.raises(ZeroDivisionError), capture_logs():
            await client.get("/half")


async def test_the_access_log_holds_no_secrets(moto_server: S3Server) -> None:
    """It names routes in place of paths."""
    async with service_client(settings_for(moto_server)) as client:
        with capture_logs() as logs:
            put = created(await client.post("/v1/uploads", json={"size": 1}))
            form = created(await client.post("/v1/uploads", json={"filename": "private-name.txt"}))
            await client.get(f"/v1/uploads/{put['id']}")
            await client.post(f"/v1/uploads/{form['id']}/complete")
            await client.get("/v1/object", params={"key": form["key"]})
            await client.get("/nowhere/private-address?token=private-query")
            token = client.headers["authorization"].removeprefix("Bearer ")
    assert [line["route"] for line in logs] == [
        "/v1/uploads",
        "/v1/uploads",
        "/v1/uploads/{id}",
        "/v1/uploads/{id}/complete",
        "/v1/object",
        None,
    ]
    assert [repr(line["status"]) for line in logs] == ["201", "201", "200", "409", "404", "404"]
    assert all(line["event"] == "request" and line["request_id"] and line["ms"] >= 0 for line in logs)
    text = repr(logs)
    secrets = [put["id"], form["id"], token, form["fields"]["x-amz-signature"], put["url"], "private"]
    assert not [secret for secret in secrets if secret in text]
    assert "X-Amz" not in text


@pytest.mark.parametrize(
    ("logged", "kept"),
    [
        ("GET /x?X-Amz-Signature=abc123&y=1", "GET /x?X-Amz-Signature=[redacted]&y=1"),
        ("'x-amz-security-token=a%2Bb' z", "'x-amz-security-token=[redacted]' z"),
        ("Authorization: Bearer abc.def-_~+/=", "Authorization: Bearer [redacted]"),
        ("nothing here", "nothing here"),
    ],
)
def test_logs_of_libraries_are_redacted(logged: str, kept: str) -> None:
    event: dict[str, Any] = {"event": logged, "number": 5}
    assert redact(structlog.get_logger(), "info", event) == {"event": kept, "number": 5}
