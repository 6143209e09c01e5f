"""Exporting traces: when, and what happens when the exporter does not work."""

import importlib.util
import logging
import threading
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from structlog.testing import capture_logs

from uploadsvc.telemetry import exporting
from uploadsvc.telemetry.export_settings import TracingError, begin_export, exports_traces
from uploadsvc.telemetry.exporting import Export, ReportedExporter

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.fixture(autouse=True)
def _library() -> Iterator[None]:
    """Restore the library's logger after the test."""
    library = logging.getLogger("opentelemetry")
    yield
    library.handlers.clear()
    library.propagate = True


class Exporter(SpanExporter):
    """Ends each export as it is told."""

    def __init__(self, *results: SpanExportResult | Exception) -> None:
        self.results = list(results)
        self.resources: list[dict[str, object]] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans."""
        self.resources += [dict(span.resource.attributes) for span in spans]
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


@pytest.mark.parametrize(
    ("environment", "exports"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "uploads"}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": " OTLP "}, True),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "True"}, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "false"}, True),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        # The variable of the signal wins.
        (
            {
                **ENDPOINT,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            True,
        ),
    ],
)
def test_the_standard_variables_decide(environment: dict[str, str], exports: bool) -> None:  # noqa: FBT001 - pytest's
    assert exports_traces(environment) is exports


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"OTEL_TRACES_EXPORTER": "console"}, "OTEL_TRACES_EXPORTER: must be otlp or none"),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL: must be http/"),
        (
            {**ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: must be http/protobuf",
        ),
    ],
)
def test_what_cannot_be_done_stops_the_start(environment: dict[str, str], line: str) -> None:
    with pytest.raises(TracingError) as stopped:
        begin_export(environment)
    assert str(stopped.value).startswith(line)
    assert "\n" not in str(stopped.value)


def test_without_the_extra_an_exporter_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uploadsvc.telemetry.export_settings.find_spec", _without("opentelemetry.exporter"))
    assert begin_export({}) is None
    with pytest.raises(
        TracingError, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT: .* pip install 'uploadsvc\[otel\]'$"
    ):
        begin_export(ENDPOINT)


def _without(missing: str) -> object:
    def find(name: str) -> object:
        if name.startswith(missing):
            raise ModuleNotFoundError(name)
        return importlib.util.find_spec(name)

    return find


def test_lost_spans_are_reported_once_a_minute() -> None:
    """Not with each batch, and without the exporter's own words."""
    now = 0.0
    failure, success = SpanExportResult.FAILURE, SpanExportResult.SUCCESS
    error = RuntimeError("https://user:secret@collector")
    exporter = ReportedExporter(
        Exporter(failure, error, failure, failure, success, success), timer=lambda: now
    )
    spans = [ReadableSpan("a"), ReadableSpan("b")]
    with capture_logs() as logs:
        for now in (0.0, 30.0, 59.0, 61.0, 70.0, 80.0):  # noqa: B007 - the timer reads it
            exporter.export(spans)
    assert [(line["event"], line["lost"], line["log_level"]) for line in logs] == [
        ("traces_not_exported", 2, "warning"),
        ("traces_not_exported", 8, "warning"),
        ("traces_exported_again", 8, "info"),
    ]
    assert "secret" not in repr(logs)


def test_closing_exports_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the service's name, unless the environment has another."""
    exporter = Exporter(SpanExportResult.SUCCESS)
    export = Export(exporter)
    export.provider.get_tracer("x").start_span("left").end()
    export.close()
    (resource,) = exporter.resources
    assert resource["service.name"] == "uploadsvc"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "files")
    export = Export(Exporter())
    assert export.provider.resource.attributes["service.name"] == "files"
    export.close()


def test_closing_does_not_wait_for_an_exporter_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "FLUSH_SECONDS", 0.01)
    hanging = threading.Event()

    class Hanging(Exporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            del spans
            hanging.wait()
            return SpanExportResult.FAILURE

    export = Export(Hanging())
    export.provider.get_tracer("x").start_span("left").end()
    export.close()
    assert not hanging.is_set()
    hanging.set()


def test_the_library_says_nothing_itself(caplog: pytest.LogCaptureFixture) -> None:
    """It would log headers, which hold the collector's credential."""
    export = Export(Exporter())
    logging.getLogger("opentelemetry.exporter").error("Header format invalid: Authorization: secret")
    assert not caplog.records
    export.close()
