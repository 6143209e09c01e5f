"""OpenTelemetry spans of requests and of their calls to other services.

FastAPI's own spans are not used: they contain the path, which can contain an upload token. Names and
attributes follow https://opentelemetry.io/docs/specs/semconv/http/, without ``url.path``, ``url.query`` and
all else that could contain a user, a key, an id or a token.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from uploadsvc.telemetry.records import RequestRecord

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.trace import Span, Tracer, TracerProvider

_METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
)
_CONTEXT: Final = {b"traceparent": "traceparent", b"tracestate": "tracestate"}
_SERVER_ERROR: Final = HTTPStatus.INTERNAL_SERVER_ERROR
_CLIENT_ERROR: Final = HTTPStatus.BAD_REQUEST


class CallSpan:
    """Span of a call to another service. Does nothing if tracing is off."""

    __slots__ = ("_has_failed", "_span")

    def __init__(self, span: "Span | None") -> None:
        self._span = span
        self._has_failed = False

    def answered(self, status: int, error: str | None = None) -> None:
        """Note the HTTP status of the response, and its error code.

        Args:
            status: The status.
            error: A short code, such as S3's ``AccessDenied``; the status by default.
        """
        if self._span is not None:
            self._span.set_attribute("http.response.status_code", status)
            if error is not None or status >= _CLIENT_ERROR:
                self.failed(error or str(int(status)))

    def failed(self, error: str) -> None:
        """Note the reason of a failure, in one word. Only the first call counts."""
        if self._span is not None and not self._has_failed:
            self._has_failed = True
            _set_error(self._span, error)


_NO_SPAN: Final = CallSpan(None)


class RequestSpan:
    """Span of a request to this service, entered until `end`."""

    __slots__ = ("_context", "_method", "_span", "_token")

    def __init__(self, span: "Span", method: str) -> None:
        from opentelemetry import context, trace  # noqa: PLC0415 - an extra

        self._span = span
        self._method = method
        self._context = context
        self._token = context.attach(trace.set_span_in_context(span))

    def end(self, status: int, route: str | None, code: str | None) -> None:
        """End it.

        Args:
            status: The HTTP status; 0 if there was no response.
            route: Route template of the request.
            code: Problem code of the response.
        """
        span = self._span
        self._context.detach(self._token)
        if route is not None:
            span.set_attribute("http.route", route)
            span.update_name(f"{self._method} {route}")
        if status:
            span.set_attribute("http.response.status_code", status)
        if code is not None:
            span.set_attribute("uploadsvc.problem.code", code)
        if not status or status >= _SERVER_ERROR:
            # A 4xx is the caller's error, not the server's.
            _set_error(span, code or str(status or "no_response"))
        span.end()


class Tracing:
    """Makes spans once there is a provider. Until then it costs nothing.

    Args:
        provider: Tracer provider; by default OpenTelemetry's global one, if the process has set it.
    """

    def __init__(self, provider: "TracerProvider | None" = None) -> None:
        self._provider = provider
        self._tracer: Tracer | None = None

    def begin(self) -> None:
        """Look up the global provider. Call it at the start, after the process has set one."""
        provider = self._provider
        # Without the API imported, no provider can be set.
        if provider is None and "opentelemetry.trace" in sys.modules:
            from opentelemetry import trace  # noqa: PLC0415 - an extra

            found = trace.get_tracer_provider()
            idle = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)
            provider = None if isinstance(found, idle) else found
        self._tracer = None if provider is None else provider.get_tracer("uploadsvc")

    @property
    def on(self) -> bool:
        """Whether spans are made."""
        return self._tracer is not None

    def request(self, method: str, scheme: str, headers: Iterable[tuple[bytes, bytes]]) -> RequestSpan:
        """Start and enter the span of a request, as a child of the caller's span (W3C Trace Context)."""
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - an extra
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        known = method if method in _METHODS else "_OTHER"
        carrier: dict[str, str] = {}
        for name, value in headers:
            if (key := _CONTEXT.get(name)) is not None:
                sent = value.decode("latin-1")
                carrier[key] = f"{carrier[key]},{sent}" if key in carrier else sent
        span = self._get().start_span(
            known if known in _METHODS else "HTTP",
            context=TraceContextTextMapPropagator().extract(carrier) if carrier else None,
            kind=SpanKind.SERVER,
            attributes={"http.request.method": known, "url.scheme": scheme},
        )
        return RequestSpan(span, known if known in _METHODS else "HTTP")

    @contextmanager
    def call(self, name: str, attributes: Mapping[str, str]) -> "Generator[CallSpan]":
        """Make the span of a call to another service. An exception ends it; only its class name is recorded.

        Args:
            name: Name of the span, from a small set.
            attributes: Attributes from small sets.
        """
        if self._tracer is None:
            yield _NO_SPAN
            return
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - an extra

        with self._entered(name, SpanKind.CLIENT, attributes) as span:
            call = CallSpan(span)
            try:
                yield call
            except BaseException as error:
                call.failed(type(error).__name__)
                raise

    @contextmanager
    def message(self, record: RequestRecord) -> "Generator[None]":
        """Make the span of a message from the queue, and enter its record."""
        token = record.enter()
        try:
            if self._tracer is None:
                yield
                return
            from opentelemetry.trace import SpanKind  # noqa: PLC0415 - an extra

            attributes = {"messaging.system": "aws_sqs", "messaging.operation.type": "process"}
            with self._entered("process", SpanKind.CONSUMER, attributes):
                record.trace_id = self.trace_id()
                yield
        finally:
            record.leave(token)

    def trace_id(self) -> str | None:
        """Return the id of the current trace, if there is one."""
        if self._tracer is None:
            return None
        from opentelemetry import trace  # noqa: PLC0415 - an extra

        context = trace.get_current_span().get_span_context()
        return f"{context.trace_id:032x}" if context.is_valid else None

    def inject(self, headers: MutableMapping[str, str]) -> None:
        """Add ``traceparent`` and ``tracestate`` to the headers of a request to a receiver."""
        if self._tracer is not None:
            from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - an extra
                TraceContextTextMapPropagator,
            )

            TraceContextTextMapPropagator().inject(headers)

    @contextmanager
    def _entered(self, name: str, kind: Any, attributes: Mapping[str, str]) -> "Iterator[Span]":  # noqa: ANN401 - an extra's type
        with self._get().start_as_current_span(
            name,
            kind=kind,
            attributes=attributes,
            # Messages and traces of exceptions may hold URLs.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span

    def _get(self) -> "Tracer":
        if self._tracer is None:
            message = "tracing is off"
            raise RuntimeError(message)
        return self._tracer


def _set_error(span: "Span", error: str) -> None:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415 - an extra

    span.set_attribute("error.type", error)
    span.set_status(StatusCode.ERROR)
