"""Traces go on to receivers of events."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from standardwebhooks import Webhook as Library
from tests.support import endpoints
from tests.support.endpoints import Answer, Endpoint, answer

from uploadsvc.events import webhooks
from uploadsvc.events.aws_targets import QueueTarget
from uploadsvc.events.connections import Connections
from uploadsvc.events.webhooks import Webhook
from uploadsvc.telemetry.tracing import Tracing
from uploadsvc.tokens.webhook_signatures import WebhookSigner

SECRET = "whsec_bWFkZSB1cCBmb3IgdGhlIHRlc3RzLCAzMiBieXRlcyE="
BODY = b'{"type":"upload.completed","data":{"object":{"key":"uploads/ann/a.txt"}}}'


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(spans: InMemorySpanExporter) -> Tracing:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    made = Tracing(provider)
    made.begin()
    return made


@pytest.mark.parametrize(
    ("reply", "attributes"),
    [
        (answer(204), {"http.response.status_code": 204}),
        (answer(503), {"http.response.status_code": 503, "error.type": "503"}),
        (endpoints.hang, {"error.type": "timeout"}),
    ],
)
async def test_a_webhook_gets_the_trace_and_its_span_no_secret(
    tracing: Tracing,
    spans: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
    reply: Answer,
    attributes: dict[str, Any],
) -> None:
    monkeypatch.setattr(webhooks, "ATTEMPT_SECONDS", 0.2)

    async def here(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    connections = Connections(private=True, resolve=here)
    async with Endpoint(answers=[reply]).open() as endpoint, connections.open():
        receiver = Webhook(
            f"http://localhost:{endpoint.port}/in/path-secret?key=s3cret",
            receiver_id="app",
            signer=WebhookSigner([SECRET]),
            connections=connections,
            types=["*"],
            policies=["*"],
            clock=lambda: datetime.now(UTC),
            tracing=tracing,
        )
        with tracing.call("the cause", {}):
            await receiver.send("evt_1", BODY)
    delivery, cause = spans.get_finished_spans()
    assert delivery.context
    assert delivery.parent == cause.context
    assert delivery.name == "deliver event"
    sent = {"http.request.method": "POST", "server.address": "localhost"}
    assert dict(delivery.attributes or {}) == sent | attributes
    (request,) = endpoint.requests
    assert request.headers["traceparent"].split("-")[1:3] == [
        f"{delivery.context.trace_id:032x}",
        f"{delivery.context.span_id:016x}",
    ]
    Library(SECRET).verify(request.body, request.headers)


async def test_a_message_of_a_queue_gets_the_trace(tracing: Tracing, spans: InMemorySpanExporter) -> None:
    calls: list[dict[str, Any]] = []

    class Client:
        async def send_message(self, **call: Any) -> None:  # noqa: ANN401 - as botocore's
            calls.append(call)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Client]:
        yield Client()

    receiver = QueueTarget(
        "https://sqs.eu-central-1.amazonaws.com/123456789012/app",
        receiver_id="app",
        types=["*"],
        policies=["*"],
        client=opened,
        tracing=tracing,
    )
    async with receiver.open():
        with tracing.call("the cause", {}):
            await receiver.send("evt_1", BODY)
    (cause,) = spans.get_finished_spans()
    assert cause.context
    (call,) = calls
    assert call["MessageAttributes"].keys() == {"webhook-id", "type", "traceparent"}
    assert f"{cause.context.trace_id:032x}" in call["MessageAttributes"]["traceparent"]["StringValue"]
