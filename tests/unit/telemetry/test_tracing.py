"""Spans of calls and messages, and trace propagation."""

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from uploadsvc.telemetry.records import RequestRecord, current
from uploadsvc.telemetry.tracing import Tracing

CALL = {"rpc.service": "S3"}


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(spans: InMemorySpanExporter) -> Iterator[Tracing]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    made = Tracing(provider)
    made.begin()
    yield made
    provider.shutdown()


def test_without_a_provider_nothing_is_made() -> None:
    off = Tracing()
    off.begin()
    headers: dict[str, str] = {}
    with off.message(RequestRecord()), off.call("x", CALL) as span:
        span.answered(500)
        off.inject(headers)
        assert off.trace_id() is None
    assert (off.on, headers) == (False, {})


async def test_a_call_that_is_cancelled_ends_its_span(tracing: Tracing, spans: InMemorySpanExporter) -> None:
    """As a deadline cancels it: no message of an exception, only its name."""

    async def hang() -> None:
        with tracing.call("S3.HeadObject", CALL):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(hang(), 0.01)
    (span,) = spans.get_finished_spans()
    assert dict(span.attributes or {}) == {**CALL, "error.type": "CancelledError"}
    assert (span.kind, span.status.status_code, span.events) == (SpanKind.CLIENT, StatusCode.ERROR, ())


def test_the_code_of_a_refusal_stays(tracing: Tracing, spans: InMemorySpanExporter) -> None:
    """The exception that reports it does not replace it."""

    def fail() -> None:
        with tracing.call("x", CALL) as call:
            call.answered(403, "AccessDenied")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    (span,) = spans.get_finished_spans()
    assert dict(span.attributes or {}) == {
        **CALL,
        "http.response.status_code": 403,
        "error.type": "AccessDenied",
    }


def test_a_message_begins_a_trace(tracing: Tracing, spans: InMemorySpanExporter) -> None:
    """Its lines name it; what it calls is told the trace."""
    headers: dict[str, str] = {}
    with tracing.message(RequestRecord()):
        record = current()
        with tracing.call("deliver event", {}) as call:
            call.answered(204)
            tracing.inject(headers)
    assert current() is None
    delivery, message = spans.get_finished_spans()
    assert (message.name, message.kind) == ("process", SpanKind.CONSUMER)
    assert delivery.context
    assert message.context
    assert delivery.parent == message.context
    assert record
    assert record.trace_id == f"{message.context.trace_id:032x}"
    assert headers.keys() == {"traceparent"}
    assert headers["traceparent"].startswith(f"00-{record.trace_id}-{delivery.context.span_id:016x}-")
    assert delivery.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (201, None, None),
        (404, "not_found", None),
        (503, "storage_unavailable", "storage_unavailable"),
        (502, None, "502"),
        (0, None, "no_response"),
    ],
)
def test_errors_of_the_caller_are_none_of_the_server(
    tracing: Tracing, spans: InMemorySpanExporter, status: int, code: str | None, error: str | None
) -> None:
    tracing.request("GET", "http", []).end(status, "/v1/uploads/{id}", code)
    (span,) = spans.get_finished_spans()
    assert (span.attributes or {}).get("error.type") == error
    assert (span.status.status_code is StatusCode.ERROR) is (error is not None)
    assert span.name == "GET /v1/uploads/{id}"
    assert tracing.trace_id() is None
