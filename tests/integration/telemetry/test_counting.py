"""What is counted while the service works."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

import httpx
import pytest
import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from tests.support.api import created, s3_that_is_down
from tests.support.endpoints import OK, Endpoint
from tests.support.identity_provider import AUDIENCE, identity_provider
from tests.support.servers import S3Server
from tests.support.service import BASE_URL, authorization, settings_for
from tests.support.stubs import Canned, Stub, stub_s3

from uploadsvc.app import Metrics, Principal, create_app, create_router
from uploadsvc.server.logging import silence_logs
from uploadsvc.settings import Settings

MIB: Final = 1024**2
SECRET: Final = "whsec_bWFkZSB1cCBmb3IgdGhlIHRlc3RzLCAzMiBieXRlcyE="

STORED: Final = [("ETag", '"e"'), ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")]

ELSEWHERE: Final = {
    # tests/e2e/server/test_metrics.py
    "uploadsvc_http_connections",
    "uploadsvc_worker_restarts_total",
    # tests/unit/s3/test_credentials.py
    "uploadsvc_credentials_remaining_seconds",
    # tests/unit/server/test_log_output.py
    "uploadsvc_log_lines_dropped_total",
    # Their own tests.
    "uploadsvc_http_refused_total",
    "uploadsvc_limits_hit_total",
    "uploadsvc_limits_store_failures_total",
    "uploadsvc_limits_store_up",
}
"""Metrics that a run of the app alone does not move."""


class Counted:
    """Reads metrics as an app would that mounts the service."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.moved: set[str] = set()
        self._registry = CollectorRegistry()
        self._registry.register(self.metrics)

    def value(self, name: str, **labels: str) -> float | None:
        """Return a sample's value."""
        return self._registry.get_sample_value(name, labels)

    def look(self) -> None:
        """Note the metrics that are not zero now."""
        self.metrics.refresh()
        snapshot = self.metrics.cells.snapshot()
        self.moved |= {name for name, _, values in snapshot if any(value != 0 for value in values)}

    async def watched(self, answering: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
        """Look again and again until there is an answer."""
        task = asyncio.create_task(answering)
        while not task.done():
            self.look()
            await asyncio.sleep(0)
        return await task

    @asynccontextmanager
    async def client(self, settings: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
        """Run the app."""
        app = create_app(Settings.model_validate(settings), metrics=self.metrics)
        async with app.router.lifespan_context(app), calling(app) as client:
            yield client


def calling(app: FastAPI, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers)


async def sent(upload: dict[str, Any], content: bytes = b"hello") -> None:
    async with httpx.AsyncClient() as s3:
        answer = await s3.put(upload["url"], content=content, headers=upload["headers"])
    assert answer.status_code == 200


async def test_a_run_moves_every_metric(moto_server: S3Server) -> None:
    counted = Counted()

    async def take(writer: asyncio.StreamWriter) -> None:
        # While the event waits for this answer.
        counted.look()
        writer.write(OK)

    endpoint = Endpoint(answers=[take])
    async with identity_provider() as provider, endpoint.open():
        webhook = {"url": f"http://localhost:{endpoint.port}/in", "secrets": [SECRET]}
        settings = settings_for(
            moto_server, events={"webhooks": [webhook], "allow_private_addresses": True}
        ) | {"auth": {"jwt": {"issuer": provider.issuer, "audience": [AUDIENCE]}}}
        headers = {"Authorization": f"Bearer {provider.token()}"}
        async with counted.client(settings) as client:
            client.headers = httpx.Headers(headers)
            assert (await client.get("/readyz")).status_code == 200
            body = {"filename": "a.txt", "content_type": "text/plain", "size": 5}
            upload = created(await client.post("/v1/uploads", json=body))
            await sent(upload)
            for _ in range(2):
                completing = client.post(f"/v1/uploads/{upload['id']}/complete")
                assert (await counted.watched(completing)).status_code == 200
            assert (await client.post("/v1/uploads", json={"policy": "no such"})).status_code == 404
            assert (await client.get("/nowhere", headers={"Authorization": "Basic x"})).status_code == 404
            assert (await client.get("/v1/policies", headers={"Authorization": "Basic x"})).status_code == 401
        # All events are sent at the latest when the app ends.
        counted.look()

    assert set(counted.metrics.families) - counted.moved == ELSEWHERE
    assert counted.value("uploadsvc_uploads_created_total", policy="default", method="put") == 1
    assert counted.value("uploadsvc_uploads_completed_total", policy="default", method="put") == 1
    assert counted.value("uploadsvc_bytes_promised_total", policy="default") == 5
    assert counted.value("uploadsvc_bytes_verified_total", policy="default") == 5
    delivered = {"receiver": "1", "type": "upload.completed", "outcome": "delivered"}
    assert counted.value("uploadsvc_event_deliveries_total", **delivered) == 1
    refused = {"policy": "(none)", "code": "policy_not_found"}
    assert counted.value("uploadsvc_uploads_refused_total", **refused) == 1
    assert counted.value("uploadsvc_jwks_fetches_total", outcome="ok") == 1
    assert counted.value("uploadsvc_auth_failures_total", reason="scheme") == 1
    requests = "uploadsvc_http_request_duration_seconds_count"
    assert counted.value(requests, method="POST", route="/v1/uploads", status="201") == 1
    completed = {"method": "POST", "route": "/v1/uploads/{id}/complete", "status": "200"}
    assert counted.value(requests, **completed) == 2
    assert counted.value(requests, method="GET", route="(unmatched)", status="404") == 1


async def test_all_integrations_count(moto_server: S3Server) -> None:
    """Each upload once, with the most bytes that it can store, and each refusal once, by policy and code."""
    counted = Counted()
    policies = {"default": {}, "small": {"max_size": 5}}
    async with counted.client(settings_for(moto_server, policies=policies)) as client:
        client.headers = httpx.Headers(authorization())

        async def posted(path: str, **body: object) -> httpx.Response:
            return await client.post(path, json=body)

        async def each(policy: str, size: int) -> list[httpx.Response]:
            wanted: dict[str, Any] = {"filename": "a.mp4", "content_type": "video/mp4"}
            wanted |= {"size": size, "policy": policy}
            metadata = {"size": size, "policy": policy}
            signed = {"key": "a.mp4", "contentType": "video/mp4", "size": size, "policy": policy}
            form = {f"metadata[{name}]": str(value) for name, value in metadata.items()}
            form |= {"filename": "a.mp4", "type": "video/mp4"}
            files = [{"name": "a.mp4", "size": size, "type": "video/mp4"}]
            return [
                await posted("/v1/uploads", **wanted),
                await posted("/v1/uploads/batch", uploads=[wanted, wanted]),
                await client.get("/uploads", params=wanted),
                await client.get(
                    "/uppy/s3/params", params={"filename": "a.mp4", "type": "video/mp4", **form}
                ),
                await posted("/uppy/s3/multipart", filename="a.mp4", type="video/mp4", metadata=metadata),
                await posted("/uppy/sign", method="PUT", **signed),
                await posted("/better-upload", route=policy, files=files),
            ]

        for answer in await each("default", 5):
            assert answer.is_success, answer.text
        promised = {method: made(counted, "default", method) for method in ("put", "post", "multipart")}
        assert promised == {"put": 6, "post": 1, "multipart": 1}
        assert counted.value("uploadsvc_bytes_promised_total", policy="default") == 8 * 5

        await each("small", 6)
        assert counted.value("uploadsvc_uploads_refused_total", policy="small", code="file_too_large") == 8
        # An id of a policy that nobody may name is not the label of one.
        await each("x" * 64, 5)
        unknown = {"policy": "(none)", "code": "policy_not_found"}
        assert counted.value("uploadsvc_uploads_refused_total", **unknown) == 8
        assert counted.value("uploadsvc_bytes_promised_total", policy="small") is None

        await posted("/uppy/sign", method="POST", key="a.mp4", contentType="video/mp4")
        assert made(counted, "default", "multipart") == 1, "its policy allows no parts of any size"
        not_allowed = {"policy": "default", "code": "method_not_available"}
        assert counted.value("uploadsvc_uploads_refused_total", **not_allowed) == 1
        created(await posted("/v1/uploads", filename="a.mp4", policy="small"))
        assert counted.value("uploadsvc_bytes_promised_total", policy="small") == 5


def made(counted: Counted, policy: str, method: str) -> float | None:
    return counted.value("uploadsvc_uploads_created_total", policy=policy, method=method)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Canned(status=200, headers=STORED), "ok"),
        (Canned(status=404), "ok"),
        (Canned(status=403), "denied"),
        (Canned(status=400), "refused"),
        (Canned(status=409), "unavailable"),
        (Canned(status=200, ours=False), "refused"),
        (None, "timeout"),
    ],
)
async def test_calls_to_s3_count_by_outcome(
    answer: Canned | None, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if answer is None:
        monkeypatch.setattr("uploadsvc.s3.errors.DEADLINE", 0.2)
    counted = Counted()
    async with stub_s3(answer) as stub, counted.client(settings_for(stub_server(stub))) as client:
        client.headers = httpx.Headers(authorization())
        upload = created(await client.post("/v1/uploads", json={"filename": "a", "size": 5}))
        await client.get(f"/v1/uploads/{upload['id']}")
    counts = outcomes(counted.metrics, "head_object")
    assert counts == {outcome: 1}


@pytest.mark.parametrize(
    "refusal", [Canned(status=200), Canned(status=403, code="RequestTimeTooSkewed"), Canned(status=403)]
)
async def test_a_clock_that_is_off_shows(refusal: Canned) -> None:
    """Also when it is so far off that S3 refuses all signatures; any other refusal says nothing of it."""
    counted = Counted()
    behind = datetime.now(UTC) - timedelta(hours=2)
    dated = replace(refusal, date=format_datetime(behind, usegmt=True))
    async with stub_s3(dated) as stub, counted.client(settings_for(stub_server(stub))) as client:
        await client.get("/readyz")
    skew = counted.value("uploadsvc_clock_skew_seconds")
    assert (skew is not None and round(skew / 60) == 120) == (refusal.status == 200 or bool(refusal.code))


def stub_server(stub: Stub) -> S3Server:
    return S3Server(
        name="generic",
        endpoint_url=stub.endpoint_url,
        access_key_id="id",
        secret_access_key="secret",
        bucket="bucket",
        strict=False,
    )


def outcomes(metrics: Metrics, operation: str) -> dict[str, float]:
    return {
        labels[1]: sum(values[:-1])
        for name, labels, values in metrics.cells.snapshot()
        if name == "uploadsvc_s3_call_duration_seconds" and labels[0] == operation
    }


async def test_series_do_not_grow_with_callers() -> None:
    """Each with its own key and upload, on addresses and by methods of their own.

    tests/unit/services/test_counting.py has more of them.
    """
    counted, users = Counted(), 1000
    settings = settings_for(s3_that_is_down()) | {
        "auth": {"trusted_header": "x-user", "trusted_proxies": ["127.0.0.1/32"]}
    }
    silence_logs()
    app = create_app(Settings.model_validate(settings), metrics=counted.metrics)
    structlog.reset_defaults()
    async with app.router.lifespan_context(app):
        before = 0
        for number in range(users):
            await call(app, number)
            if number == 0:
                before = len(counted.metrics.cells.snapshot().series)
    series = counted.metrics.cells.snapshot().series
    assert len(series) == before < 100
    assert made(counted, "default", "put") == users
    shown = Counter(label for one in series for label in one.labels)
    assert not [label for label in shown if "user" in label or "secret" in label]


async def call(app: FastAPI, number: int) -> None:
    """Create an upload as one user, and ask for addresses and by methods that nobody else does."""
    body = b'{"filename": "secret-%d.txt", "size": 5}' % number
    await answered(app, "POST", "/v1/uploads", body, number)
    if number % 10 == 0:
        await answered(app, "GET", f"/secret/{number}", b"", number)
        await answered(app, f"SECRET{number}", "/v1/uploads", b"", number)
        await answered(app, "POST", "/v1/uploads", b'{"policy": "secret-%d"}' % number, number)
        await answered(app, "GET", f"/uppy/secret{number}/s3/params", b"", number)


async def answered(app: FastAPI, method: str, path: str, body: bytes, number: int) -> None:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"x-user", b"user-%d" % number), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("uploads.test", 80),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_message: object) -> None:
        pass

    await app(scope, receive, send)


async def test_the_routes_in_another_app_count(moto_server: S3Server) -> None:
    counted, app = Counted(), FastAPI()
    settings = Settings.model_validate(settings_for(moto_server))
    router = create_router(settings, authenticate=lambda: Principal(user="alice"), metrics=counted.metrics)
    app.include_router(router)
    async with app.router.lifespan_context(app), calling(app) as client:
        created(await client.post("/v1/uploads", json={"filename": "a.txt", "size": 5}))
    assert made(counted, "default", "put") == 1
