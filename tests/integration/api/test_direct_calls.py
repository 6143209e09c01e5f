"""The hot path answers exactly like FastAPI."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs
from tests.support.api import s3_that_is_down
from tests.support.service import BASE_URL, authorization, service_client, settings_for

import uploadsvc.app
from uploadsvc.api.direct_calls import DirectCall
from uploadsvc.app import create_app
from uploadsvc.bootstrap.services import utc_now
from uploadsvc.domain.principal import Principal
from uploadsvc.settings import Settings

SETTINGS = settings_for(
    s3_that_is_down(), policies={"default": {}, "pictures": {"content_types": ["image/*"]}}
)
JSON = "application/json"
GOOD = b'{"filename": "a.txt", "size": 3}'

BODIES = {
    "plain": GOOD,
    "nothing asked": b"{}",
    "null": b"null",
    "empty": b"",
    "a list": b"[]",
    "a number": b"1",
    "a string": b'"a"',
    "duplicate keys": b'{"size": 9, "size": 3}',
    "duplicate keys, one wrong": b'{"size": "x", "size": 3}',
    "duplicate keys, the last one wrong": b'{"size": 3, "size": "x"}',
    "duplicate names of metadata": b'{"size": 3, "metadata": {"a": "1", "a": "2"}}',
    "NaN": b'{"size": NaN}',
    "Infinity": b'{"size": Infinity}',
    "a large float": b'{"size": 1e400}',
    "a whole float": b'{"size": 3.0}',
    "a float": b'{"size": 3.5}',
    "a number in a string": b'{"size": "3"}',
    "true": b'{"size": true}',
    "a large integer": b'{"size": 9223372036854775808}',
    "a huge integer": b'{"size": ' + b"9" * 5000 + b"}",
    "minus zero": b'{"size": -0}',
    "a leading zero": b'{"size": 03}',
    "a lone surrogate": rb'{"filename": "a\ud800.txt", "size": 3}',
    "a surrogate pair": rb'{"filename": "\ud83d\ude00.txt", "size": 3}',
    "a lone surrogate in a name": rb'{"\udfff": 1}',
    "bad UTF-8": b'{"filename": "\xff", "size": 3}',
    "an encoded surrogate": b'{"filename": "\xed\xa0\x80", "size": 3}',
    "UTF-16": GOOD.decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "a control character": b'{"filename": "a\x01", "size": 3}',
    "a NUL": rb'{"filename": "a\u0000b", "size": 3}',
    "cut off": GOOD[:-1],
    "followed by more": GOOD + b"{}",
    "a trailing comma": b'{"size": 3,}',
    "a comment": b'{"size": 3} // three',
    "single quotes": b"{'size': 3}",
    "white space around": b"\r\n\t " + GOOD + b" \n",
    "deep": b'{"metadata": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "an unknown field": b'{"size": 3, "extra": 1}',
    "a wrong type": b'{"filename": 3, "size": 3}',
    "a wrong choice": b'{"method": "ftp"}',
    "many unknown fields": json.dumps({f"f{number}": 1 for number in range(500)}).encode(),
    "an unknown policy": b'{"policy": "none"}',
    "a type that is not allowed": b'{"policy": "pictures", "filename": "a.txt", "size": 3}',
    "too large": b'{"filename": "' + b"a" * (1024 * 1024) + b'"}',
}
PARTS = {
    "part numbers": b'{"part_numbers": [1, 2]}',
    "no part numbers": b'{"part_numbers": []}',
    "parts": b'{"parts": [{"part_number": 1, "etag": "a"}]}',
    "parts without ETags": b'{"parts": [{"part_number": 1}]}',
}


@pytest.fixture(scope="module")
def apps() -> tuple[FastAPI, FastAPI]:
    """Return the app as it is, and one without the hot path."""
    loaded = Settings.model_validate(SETTINGS)
    with patch.object(uploadsvc.app, "direct_calls", lambda _routes: {}):
        plain = create_app(loaded)
    return create_app(loaded), plain


async def answer(
    app: FastAPI,
    path: str,
    body: bytes,
    headers: dict[str, str] | list[tuple[str, str]],
    *,
    method: str = "POST",
) -> tuple[object, ...]:
    """Return an answer without what is new each time."""
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport) as client:
        response = await client.request(method, f"{BASE_URL}{path}", content=body, headers=headers)
    kept = {name: value for name, value in response.headers.items() if name != "x-request-id"}
    kept.pop("content-length", None)
    return response.status_code, kept, constant(response.json() if response.content else None)


def constant(body: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a body without ids, keys, times and signatures."""
    if isinstance(body, list):
        return [constant(one) for one in body]
    if not isinstance(body, dict):
        return body
    new = {"id", "key", "url", "fields", "expires_at", "upload_expires_at"}
    return {name: name if name in new else constant(value) for name, value in body.items()}


@pytest.mark.parametrize(
    "path", ["/v1/uploads", "/v1/uploads/batch", "/v1/uploads/an-id/complete", "/v1/uploads/an-id/parts"]
)
@pytest.mark.parametrize("body", [*BODIES.values(), *PARTS.values()], ids=[*BODIES, *PARTS])
async def test_any_body_has_the_answer_that_fastapi_gives(
    apps: tuple[FastAPI, FastAPI], path: str, body: bytes
) -> None:
    if path.endswith("batch"):
        body = b'{"uploads": [' + body + b"]}"
    headers = {**authorization(), "Content-Type": JSON}
    direct, plain = [await answer(app, path, body, headers) for app in apps]
    assert direct == plain


@pytest.mark.parametrize(
    "path",
    [
        "{id}",
        "{id}/complete",
        "%7Bid%7D",
        "an-id",
        "a.b",
        "a%2Fb",
        "a/b",
        "",
        "%C3%A9",
        "a" * 5000,
        "an-id/",
        "an-id/complete",
        "batch",
        "an-id/x/y",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE", "PUT"])
async def test_any_address_has_the_answer_that_fastapi_gives(
    apps: tuple[FastAPI, FastAPI], method: str, path: str
) -> None:
    direct, plain = [
        await answer(app, f"/v1/uploads/{path}", b"", authorization(), method=method) for app in apps
    ]
    assert direct == plain


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("filename", "content_type", "size", "method", "policy", "metadata", "overwrite", "expires_in", "x")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, max_size=4))
async def test_any_json_has_the_answer_that_fastapi_gives(
    apps: tuple[FastAPI, FastAPI], body: dict[str, object]
) -> None:
    headers = {**authorization(), "Content-Type": JSON}
    sent = json.dumps(body).encode()
    direct, plain = [await answer(app, "/v1/uploads", sent, headers) for app in apps]
    assert direct == plain


@pytest.mark.parametrize(
    "changed",
    [
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-Type": "APPLICATION/JSON;charset=UTF-8"},
        {"Content-Type": "application/vnd.api+json"},
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Authorization": ""},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer e30.e30.e30"},
        {"X-API-Key": "unknown"},
    ],
)
@pytest.mark.parametrize("body", [GOOD, b"{", b'{"size": "x"}'], ids=["good", "malformed", "invalid"])
async def test_any_headers_have_the_answer_that_fastapi_gives(
    apps: tuple[FastAPI, FastAPI], changed: dict[str, str], body: bytes
) -> None:
    """A malformed body is refused before a bad credential, and an invalid one after it."""
    headers = {**authorization(), "Content-Type": JSON, **changed}
    headers = {name: value for name, value in headers.items() if value}
    direct, plain = [await answer(app, "/v1/uploads", body, headers) for app in apps]
    assert direct == plain


@pytest.mark.parametrize("types", [("text/plain", JSON), (JSON, "text/plain"), (JSON, JSON)])
async def test_two_content_types_have_the_answer_that_fastapi_gives(
    apps: tuple[FastAPI, FastAPI], types: tuple[str, str]
) -> None:
    headers = [*authorization().items(), *(("Content-Type", one) for one in types)]
    direct, plain = [await answer(app, "/v1/uploads", GOOD, headers) for app in apps]
    assert direct == plain


async def test_an_app_that_was_changed_is_served_by_fastapi() -> None:
    """A host may have replaced a dependency, or put its own route first."""
    headers = {**authorization(), "Content-Type": JSON}
    app = create_app(Settings.model_validate(SETTINGS))
    assert (await answer(app, "/v1/uploads", GOOD, headers))[0] == 201
    app.router.routes.insert(0, APIRoute("/v1/uploads", lambda: {"mine": True}, methods=["POST"]))
    assert (await answer(app, "/v1/uploads", GOOD, headers))[2] == {"mine": True}


async def test_a_replaced_dependency_is_used() -> None:
    """Tests of a host replace authentication this way."""
    app = create_app(Settings.model_validate(SETTINGS))
    authenticate = vars(app)["_calls"]["POST", "/v1/uploads"]._authenticate
    app.dependency_overrides[authenticate] = lambda: Principal(user="replaced")
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport) as client:
        response = await client.post(f"{BASE_URL}/v1/uploads", json={"size": 1}, headers=authorization())
    assert response.json()["key"].startswith("uploads/replaced/")


async def test_the_access_log_counts_the_time_of_the_body(
    apps: tuple[FastAPI, FastAPI], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that sends slowly is seen as slow."""
    app, _ = apps
    now = 0.0

    async def slow() -> AsyncIterator[bytes]:
        nonlocal now
        now += 5
        yield GOOD

    monkeypatch.setattr("uploadsvc.api.access_log.time.perf_counter", lambda: now + 1)
    transport = httpx.ASGITransport(app)
    headers = {**authorization(), "Content-Type": JSON}
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport) as client:
        with capture_logs() as logs:
            await client.post(f"{BASE_URL}/v1/uploads", content=slow(), headers=headers)
    assert [line["ms"] for line in logs if line["event"] == "request"] == [5000]


async def test_a_body_in_pieces_is_read_whole(apps: tuple[FastAPI, FastAPI]) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for index in range(len(GOOD)):
            yield GOOD[index : index + 1]

    app, _ = apps
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport) as client:
        headers = {**authorization(), "Content-Type": JSON}
        response = await client.post(f"{BASE_URL}/v1/uploads", content=pieces(), headers=headers)
    assert response.status_code == 201


async def test_plain_requests_take_the_hot_path_behind_a_prefix_too(apps: tuple[FastAPI, FastAPI]) -> None:
    """Otherwise the service would be slow without any other sign of it."""
    app, _ = apps
    served = []
    serve = DirectCall.__call__

    async def noted(self: DirectCall, scope: Scope, receive: Receive, send: Send) -> None:
        await serve(self, scope, receive, send)
        served.append(scope["path"])

    with patch.object(DirectCall, "__call__", noted):
        for root in ("", "/files"):
            transport = httpx.ASGITransport(app, root_path=root)
            async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport) as client:
                for path, body in (("", GOOD), ("/batch", b'{"uploads": [' + GOOD + b"]}")):
                    headers = {**authorization(), "Content-Type": JSON}
                    url = f"{BASE_URL}{root}/v1/uploads{path}"
                    assert (await client.post(url, content=body, headers=headers)).is_success
    assert len(served) == 4


async def test_the_newest_key_comes_first() -> None:
    """By the service's own clock; S3 lists keys in their order."""
    now = utc_now()

    def clock() -> datetime:
        nonlocal now
        now += timedelta(milliseconds=1)
        return now

    async with service_client(SETTINGS, clock=clock) as client:
        keys = [(await client.post("/v1/uploads", json={"size": 1})).json()["key"] for _ in range(20)]
        bare = (await client.get("/uploads", params={"size": 1})).json()["url"]
    assert sorted(keys, reverse=True) == keys
    assert bare.partition("/uploads/")[2] < keys[-1].partition("uploads/")[2]


async def test_middleware_that_was_added_sees_every_request() -> None:
    """A host may have wrapped the service to count or refuse requests."""
    seen = []

    class Added:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                seen.append(scope["path"])
            await self.app(scope, receive, send)

    app = create_app(Settings.model_validate(SETTINGS))
    app.add_middleware(Added)
    headers = {**authorization(), "Content-Type": JSON}
    assert (await answer(app, "/v1/uploads", GOOD, headers))[0] == 201
    assert seen == ["/v1/uploads"]


async def test_a_token_expires_while_it_is_known() -> None:
    """Its use does not extend its life."""
    moved = timedelta()

    def clock() -> datetime:
        return utc_now() + moved

    async with service_client(SETTINGS, user=None, clock=clock) as client:
        token = authorization(expires_in=60)
        for after, status in ((0, 201), (29, 201), (100, 401), (0, 201)):
            moved = timedelta(seconds=after)
            assert (await client.post("/v1/uploads", json={"size": 1}, headers=token)).status_code == status
