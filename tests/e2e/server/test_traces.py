"""Traces of a running service: to a collector, and with none that answers."""

import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.support.api import s3_that_is_down
from tests.support.processes import DEADLINE, environment_for, program
from tests.support.servers import free_port
from tests.support.service import authorization

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CREDENTIAL = "a-credential-of-the-collector"


@asynccontextmanager
async def collector(port: int) -> AsyncIterator[list[ExportTraceServiceRequest]]:
    """Receive spans by OTLP."""
    received: list[ExportTraceServiceRequest] = []

    async def take(request: Request) -> Response:
        assert request.headers["authorization"] == CREDENTIAL
        received.append(ExportTraceServiceRequest.FromString(await request.body()))
        return Response(media_type="application/x-protobuf")

    app = Starlette(routes=[Route("/v1/traces", take, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    try:
        yield received
    finally:
        await server.shutdown()


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_each_process_exports_until_its_end(tmp_path: Path, workers: str) -> None:
    """The last spans are flushed after SIGTERM. A second's schedule would export none before."""
    port, collecting = free_port(), free_port()
    environment = environment_for(
        s3_that_is_down(),
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collecting}",
        OTEL_EXPORTER_OTLP_HEADERS=f"authorization={CREDENTIAL}",
        OTEL_SERVICE_NAME="uploads",
        OTEL_BSP_SCHEDULE_DELAY="60000",
    )
    arguments = ("serve", "--port", str(port), "--workers", workers)
    headers = {**authorization(), "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    async with (
        collector(collecting) as received,
        program(*arguments, directory=tmp_path, environment=environment) as running,
    ):
        await running.until(lambda: running.err.count('"serving"') == int(workers))
        async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE) as client:
            url = f"http://127.0.0.1:{port}/v1/uploads"
            answer = await client.post(url, json={"size": 1}, headers=headers)
            assert answer.status_code == 201
        assert not received
        assert await running.ended(signal.SIGTERM) == 0
    spans = [
        (span.name, span.trace_id.hex())
        for export in received
        for resource in export.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert ("POST /v1/uploads", TRACE) in spans
    names = {
        attribute.value.string_value
        for export in received
        for resource in export.resource_spans
        for attribute in resource.resource.attributes
        if attribute.key == "service.name"
    }
    assert names == {"uploads"}
    (line,) = (json.loads(line) for line in running.err.splitlines() if '"/v1/uploads"' in line)
    assert line["trace_id"] == TRACE


async def test_a_collector_that_is_down_delays_nothing(tmp_path: Path) -> None:
    """One line tells it, without the credential; the exit status is 0."""
    port = free_port()
    environment = environment_for(
        s3_that_is_down(),
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}/secret-path",
        OTEL_EXPORTER_OTLP_HEADERS=f"authorization={CREDENTIAL},malformed {CREDENTIAL}",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
        OTEL_BSP_SCHEDULE_DELAY="50",
    )
    async with program("serve", "--port", str(port), directory=tmp_path, environment=environment) as running:
        await running.until(lambda: '"serving"' in running.err)
        async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE) as client:
            for _ in range(50):
                url = f"http://127.0.0.1:{port}/v1/uploads"
                answer = await client.post(url, json={"size": 1}, headers=authorization())
                assert answer.status_code == 201
        await running.until(lambda: "traces_not_exported" in running.err)
        assert await running.ended(signal.SIGTERM, seconds=10) == 0
    events = Counter(json.loads(line)["event"] for line in running.err.splitlines())
    assert events == {
        "serving": 1,
        "request": 50,
        "traces_not_exported": 1,
        "stopping": 1,
        "stopped": 1,
        **{name: events[name] for name in ("s3_unreachable", "bucket_not_usable") if name in events},
    }
    assert CREDENTIAL not in running.err
    assert "secret-path" not in running.err


async def test_an_exporter_that_is_not_known_stops_the_start(tmp_path: Path) -> None:
    environment = environment_for(s3_that_is_down(), OTEL_TRACES_EXPORTER="zipkin")
    async with program("serve", "--workers", "2", directory=tmp_path, environment=environment) as running:
        assert await running.ended(seconds=DEADLINE) == 1
    assert running.err == (
        "uploadsvc: OTEL_TRACES_EXPORTER: must be otlp or none; no other exporter is known\n"
    )
