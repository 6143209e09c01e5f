"""Export traces by OTLP over HTTP. Needs the extra ``otel``."""

import logging
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from time import monotonic
from typing import Final

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from uploadsvc.telemetry.export_settings import TracingError

FLUSH_SECONDS: Final = 1.5
"""Seconds to flush the last spans. A collector that is down must not delay the exit."""

_COMPLAIN_AGAIN: Final = 60.0
_log = structlog.get_logger("uploadsvc.tracing")


class Export:
    """A tracer provider that exports spans in batches from a thread, as the environment configures it.

    Args:
        exporter: Exports spans; OTLP over HTTP by default.

    Raises:
        TracingError: A variable has a value that OpenTelemetry refuses.
    """

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        # Its messages contain addresses and headers, and repeat for as long as the collector is down.
        library = logging.getLogger("opentelemetry")
        library.addHandler(logging.NullHandler())
        library.propagate = False
        resource = Resource({"service.name": "uploadsvc", "service.version": version("uploadsvc")})
        try:
            # Closed here with a timeout; the provider would close it at exit without one.
            self.provider = TracerProvider(
                resource=resource.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
            )
            self.provider.add_span_processor(
                BatchSpanProcessor(ReportedExporter(exporter or OTLPSpanExporter()))
            )
        except ValueError:
            message = "OTEL_…: a value of OpenTelemetry's variables for traces is malformed"
            raise TracingError(message) from None

    def close(self) -> None:
        """Export the remaining spans, within `FLUSH_SECONDS`."""
        closing = threading.Thread(target=self.provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(FLUSH_SECONDS)


class ReportedExporter(SpanExporter):
    """Logs lost spans, once a minute, and the recovery.

    Args:
        exporter: Exports spans.
        timer: Monotonic seconds.
    """

    def __init__(self, exporter: SpanExporter, timer: Callable[[], float] = monotonic) -> None:
        self._exporter = exporter
        self._timer = timer
        self._complained_at: float | None = None
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans. Never raises."""
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 - nothing depends on a span
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            if self._complained_at is not None:
                _log.info("traces_exported_again", lost=self._lost)
            self._complained_at, self._lost = None, 0
            return result
        self._lost += len(spans)
        now = self._timer()
        if self._complained_at is None or now - self._complained_at >= _COMPLAIN_AGAIN:
            self._complained_at = now
            _log.warning("traces_not_exported", lost=self._lost, advice="check OTEL_EXPORTER_OTLP_ENDPOINT")
        return result

    def shutdown(self) -> None:
        """Stop exporting."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export the spans that the exporter still holds."""
        return self._exporter.force_flush(timeout_millis)
