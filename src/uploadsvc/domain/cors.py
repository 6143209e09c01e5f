"""Headers that pages need in addition to those of uploads."""

from typing import Final

from uploadsvc.domain.metadata import UPLOAD_CLAIMS

TRACING_HEADERS: Final = frozenset(
    {
        # https://www.w3.org/TR/trace-context/ and https://www.w3.org/TR/baggage/ (OpenTelemetry)
        *("baggage", "traceparent", "tracestate"),
        # Zipkin: https://github.com/openzipkin/b3-propagation
        *("b3", "x-b3-flags", "x-b3-parentspanid", "x-b3-sampled", "x-b3-spanid", "x-b3-traceid"),
        # Datadog RUM
        *("x-datadog-origin", "x-datadog-parent-id", "x-datadog-sampling-priority", "x-datadog-trace-id"),
        # New Relic, Sentry, Elastic, Dynatrace
        *("newrelic", "x-newrelic-id", "sentry-trace", "elastic-apm-traceparent", "x-dtc", "x-dtpc"),
        # AWS X-Ray, Google Cloud, Azure Application Insights, Jaeger
        *("x-amzn-trace-id", "x-cloud-trace-context", "request-context", "request-id", "uber-trace-id"),
        *("x-correlation-id", "x-request-id"),
    }
)
"""Headers that tracing libraries add to every request of a page, in lower case.

A page cannot leave them out, so the upload fails if a preflight refuses one of them.
"""

RANGE_HEADERS: Final = frozenset({"if-range", "range"})
"""Request headers of video players and PDF viewers for ranges of an object (RFC 9110 section 14)."""

EVENT_HEADERS: Final = frozenset({f"x-amz-meta-{UPLOAD_CLAIMS}"})
"""Headers of uploads while events are on. Always allowed, so that turning events on does not stop uploads."""

DOWNLOAD_HEADERS: Final = ("Accept-Ranges", "Content-Length", "Content-Range", "ETag")
"""Response headers that these players and viewers need."""
