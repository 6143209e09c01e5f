"""Headers that pages need besides those of uploads."""

from typing import Final

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

A page cannot leave them out, so a preflight that refuses one of them fails the upload.
"""

RANGE_HEADERS: Final = frozenset({"if-range", "range"})
"""Headers of requests for a part of an object, by video players and PDF viewers (RFC 9110 section 14)."""

DOWNLOAD_HEADERS: Final = ("Accept-Ranges", "Content-Length", "Content-Range", "ETag")
"""Headers of responses that those readers need."""
