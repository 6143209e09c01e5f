"""Spans of every operation: named by route, and without any user, key, id, token or query."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from tests.support.contract.callers import API_KEY
from tests.support.contract.document import OPERATIONS
from tests.support.contract.scenarios import SCENARIOS
from tests.support.contract.stage import Stage, Target, ask, plain_settings
from tests.support.servers import S3Server
from tests.support.service import BASE_URL, service_client, token_for

from uploadsvc.app import Principal, create_router
from uploadsvc.settings import Settings

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "tracestate": "vendor=abc"}
USER = "alice-who-must-not-be-seen"
OUTCOMES = ("200", "201", "204", "unauthenticated", "validation_error", "not_found", "storage_denied")
ATTRIBUTES = {
    *("http.request.method", "http.response.status_code", "http.route", "url.scheme", "error.type"),
    *("uploadsvc.problem.code", "rpc.system", "rpc.service", "rpc.method", "server.address"),
}
SECRET = re.compile(r"[0-9a-f]{16}|[A-Za-z0-9_-]{30}|/alice|alice-|=|\?|photo|example-bucket|://")


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Set the process's global provider, as a host app does."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


@pytest.fixture
async def stage(
    spans: InMemorySpanExporter, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    del spans
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(service_client(plain_settings(server)))
        yield Stage(client, server, monkeypatch, stack)


def assert_clean(found: tuple[ReadableSpan, ...]) -> None:
    """Read every name, attribute, event and status of every span."""
    for span in found:
        attributes = dict(span.attributes or {})
        assert attributes.keys() <= ATTRIBUTES, span.name
        assert not span.events
        assert not span.links
        assert span.status.description is None
        for text in (span.name, *map(str, attributes.values())):
            assert not SECRET.search(text.replace("/better-upload/{policy}/{action}", "")), (span.name, text)


async def test_no_span_of_any_operation_holds_a_secret(stage: Stage, spans: InMemorySpanExporter) -> None:
    """Successes and failures, by the global provider; the spans of S3 are children of the request's."""
    for name, operation in OPERATIONS.items():
        for outcome in OUTCOMES:
            if (name, outcome) in SCENARIOS and not (name == "getReadiness" and outcome != "200"):
                await SCENARIOS[name, outcome](stage, operation)
    found = spans.get_finished_spans()
    assert_clean(found)
    served = {span.name for span in found if span.kind is SpanKind.SERVER}
    named = {f"{one.method.upper()} {one.path}" for one in OPERATIONS.values()}
    # Orchestrators ask for these every few seconds.
    assert named - served == {"GET /healthz", "GET /readyz"}
    calls = [span for span in found if span.kind is SpanKind.CLIENT]
    assert {"S3.HeadObject", "S3.CreateMultipartUpload", "STS.AssumeRole"} <= {span.name for span in calls}
    requests = {span.context.span_id for span in found if span.kind is SpanKind.SERVER and span.context}
    background = {"S3.HeadBucket", "S3.ListObjectsV2"}
    assert all(
        span.parent and span.parent.span_id in requests for span in calls if span.name not in background
    )
    errors = {span.attributes["error.type"] for span in calls if span.attributes and not span.status.is_ok}
    assert {"AccessDenied"} <= errors, errors


async def test_no_path_with_a_token_reaches_a_span(stage: Stage, spans: InMemorySpanExporter) -> None:
    """Uppy's and Better Upload's addresses carry tokens; unknown ones may carry anything."""
    token = (await stage.plain.post("/v1/tokens", json={"policies": ["default"]})).json()["token"]
    for path in (f"/uppy/{token}/s3/params", f"/uppy/{token}/s3/multipart", f"/nowhere/{token}?x={token}"):
        await stage.plain.get(path, params={"filename": "photo.jpg", "type": "image/jpeg"})
        await stage.plain.post(path, json={"filename": "photo.jpg", "type": "image/jpeg"})
    await stage.plain.request(token[:20], f"/v1/policies?{token}")
    found = spans.get_finished_spans()
    assert_clean(found)
    names = {span.name for span in found if span.kind is SpanKind.SERVER}
    assert {
        "GET /uppy/{token}/s3/params",
        "POST /uppy/{token}/s3/multipart",
        "GET",
        "HTTP /v1/policies",
    } <= names


async def test_a_trace_goes_on(stage: Stage, spans: InMemorySpanExporter) -> None:
    """On the hot path and on FastAPI's; the log names it."""
    for content in (b'{"size": 5}', b"{"):
        headers = {**PARENT, "Content-Type": "application/json"}
        await stage.plain.post("/v1/uploads", content=content, headers=headers)
    first, second = spans.get_finished_spans()
    for span in (first, second):
        assert span.parent
        assert span.context
        assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, "00f067aa0ba902b7")
        assert span.context.trace_state.get("vendor") == "abc"
    assert [dict(span.attributes or {}) for span in (first, second)] == [
        {
            "http.request.method": "POST",
            "url.scheme": "http",
            "http.route": "/v1/uploads",
            "http.response.status_code": status,
            **code,
        }
        for status, code in ((201, {}), (422, {"uploadsvc.problem.code": "validation_error"}))
    ]


async def test_in_a_host_app_the_calls_are_children_of_its_spans(
    server: S3Server, spans: InMemorySpanExporter
) -> None:
    """The router makes no spans of requests: the host does. FastAPI's own are off, as the docs say."""

    def authenticate() -> Principal:
        return Principal(user=USER)

    router = create_router(Settings.model_validate(plain_settings(server)), authenticate=authenticate)
    host = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    host.include_router(router, prefix="/files")
    tracer = trace.get_tracer("host")
    async with (
        host.router.lifespan_context(host),
        httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url=f"{BASE_URL}/files") as client,
    ):
        with tracer.start_as_current_span("the host's"):
            upload = (await client.post("/v1/uploads", json={"size": 5})).json()
            target = Target(id=upload["id"], key=upload["key"])
            for operation in OPERATIONS.values():
                await ask(client, operation, target, headers={"X-API-Key": API_KEY})
    *calls, own = spans.get_finished_spans()
    assert own.name == "the host's"
    assert calls
    assert_clean(tuple(calls))
    assert {span.kind for span in calls} == {SpanKind.CLIENT}
    assert own.context
    for call in calls:
        assert call.parent
        assert call.parent.span_id == own.context.span_id


async def test_without_a_provider_there_are_no_spans(server: S3Server) -> None:
    async with service_client(plain_settings(server), user=None) as client:
        answer = await client.get("/v1/policies", headers={"Authorization": f"Bearer {token_for(USER)}"})
    assert answer.status_code == 200
    assert not trace.get_current_span().get_span_context().is_valid
