"""Metrics of the service. `docs/metrics.md` describes each; a test compares the two.

Labels come from small fixed sets: never a user, key, id, token or URL.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, TypeVar

from uploadsvc.telemetry.cells import Cells
from uploadsvc.telemetry.families import SECONDS, Counter, Definition, Following, Gauge, Histogram, Merge

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

NO_POLICY: Final = "(none)"
"""Label ``policy`` if the request names no configured policy. No policy can have this name."""

UNMATCHED: Final = "(unmatched)"
"""Label ``route`` for unknown paths."""

OTHER: Final = "(other)"
"""Label ``method`` for methods that are not in `METHODS`."""

UNKNOWN: Final = "(unknown)"
"""Label ``receiver`` for a receiver that is no longer configured."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

_Family = TypeVar("_Family", Counter, Gauge, Histogram)


class Metrics:
    """Metrics of one process. Bootstrap builds them and passes them on; no state is global.

    Counting takes a dictionary lookup and an addition, so it stays on even if nothing reads the metrics.

    Args:
        cells: Memory of the values; shared if another process reads them.
    """

    def __init__(self, cells: Cells | None = None) -> None:
        self.cells = Cells() if cells is None else cells
        self.families: dict[str, Counter | Gauge | Histogram] = {}
        self._following: Following | None = None
        self._define_uploads()
        self._define_http()
        self._define_dependencies()
        self._define_events()
        self._define_limits()
        self._define_process()
        for family in self.families.values():
            if isinstance(family, Counter) and not family.definition.labels:
                # Created at the start: ``rate()`` misses the first increment of a series that appears with
                # it.
                family.add(0.0)

    def _define_uploads(self) -> None:
        self.uploads_created = self._counter(
            "uploads_created", "Uploads that were created.", "policy", "method"
        )
        self.uploads_refused = self._counter(
            "uploads_refused", "Uploads that were refused, by problem code.", "policy", "code"
        )
        self.uploads_completed = self._counter(
            "uploads_completed", "Uploads that were completed and verified.", "policy", "method"
        )
        self.bytes_promised = self._counter(
            "bytes_promised",
            "Bytes that created uploads can store at most: the size, or the maximum.",
            "policy",
        )
        self.bytes_verified = self._counter(
            "bytes_verified", "Bytes of objects whose upload was completed and verified.", "policy"
        )

    def _define_http(self) -> None:
        self.http_request_duration = self._histogram(
            "http_request_duration_seconds", "Durations of requests.", "method", "route", "status"
        )
        self.http_requests_in_progress = self._gauge("http_requests_in_progress", "Requests being served.")
        self.http_connections = self._gauge("http_connections", "Open connections.")
        self.http_refused = self._counter(
            "http_refused",
            "Requests and connections that were refused or cut off before a handler ran.",
            "reason",
        )
        self.auth_failures = self._counter(
            "auth_failures", "Requests without a valid credential, by reason.", "reason"
        )

    def _define_dependencies(self) -> None:
        self.s3_call_duration = self._histogram(
            "s3_call_duration_seconds", "Durations of calls to S3, with retries.", "operation", "outcome"
        )
        self.jwks_fetches = self._counter(
            "jwks_fetches", "Fetches of the identity provider's keys.", "outcome"
        )
        self.jwks_age = self._gauge(
            "jwks_age_seconds", "Seconds since the identity provider's keys were fetched.", merge="max"
        )
        self.known_tokens = self._gauge("known_tokens", "Verified tokens in the cache.")
        self.clock_skew = self._gauge(
            "clock_skew_seconds", "This machine's clock minus S3's, when S3 was last asked.", merge="max"
        )
        self.credentials_remaining = self._gauge(
            "credentials_remaining_seconds", "Seconds until the signing credentials expire.", merge="min"
        )

    def _define_events(self) -> None:
        self.event_lag = self._gauge(
            "event_lag_seconds", "Seconds that the events being delivered have waited.", merge="max"
        )
        self.event_deliveries = self._counter(
            "event_deliveries", "Attempts to deliver events.", "receiver", "type", "outcome"
        )
        self.event_queue_depth = self._gauge(
            "event_queue_depth", "Messages in the event queue.", "queue", merge="max"
        )

    def _define_limits(self) -> None:
        self.limits_hit = self._counter(
            "limits_hit", "Requests that a rate or a quota refused.", "limit", "policy"
        )
        self.limits_store_failures = self._counter(
            "limits_store_failures", "Calls to the limits store that failed or took too long."
        )
        self.limits_store_up = self._gauge(
            "limits_store_up", "Whether the limits store answers: 1 or 0.", merge="min"
        )

    def _define_process(self) -> None:
        self.log_lines_dropped = self._counter(
            "log_lines_dropped", "Log lines that were dropped because nothing read them."
        )
        self.worker_restarts = self._counter("worker_restarts", "Workers that ended and were replaced.")
        self.build_info = self._gauge(
            "build_info", "Always 1; the label is the version.", "version", merge="max"
        )
        self.build_info.set(1.0, version("uploadsvc"))

    @contextmanager
    def following(self) -> Iterator[Following]:
        """Collect the callbacks added in this block, to remove them when their objects are replaced."""
        self._following, before = Following(), self._following
        try:
            yield self._following
        finally:
            self._following = before

    def _note(self, release: Callable[[], None]) -> None:
        if self._following is not None:
            self._following.releases.append(release)

    def refresh(self) -> None:
        """Set the values that are computed on demand. Call it before each read."""
        for family in self.families.values():
            family.refresh()

    def definitions(self) -> dict[str, Definition]:
        """Return all metrics by name."""
        return {name: family.definition for name, family in self.families.items()}

    def collect(self) -> "Iterator[Metric]":
        """Yield the metrics, as a collector in a registry of prometheus-client."""
        # Imported late: it takes 14 MB, and only apps that mount the service need it.
        from uploadsvc.telemetry.collector import collected  # noqa: PLC0415 - see above

        self.refresh()
        yield from collected(self.definitions(), self.cells.snapshot())

    def absorb(self, cells: Cells) -> None:
        """Add the counts of a process that has ended, so that no counter goes down. Drop its gauges."""
        for name, labels, numbers in cells.snapshot():
            family = self.families[name]
            if not isinstance(family, Gauge):
                family.absorb(labels, numbers)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return self._add(Counter(Definition(f"uploadsvc_{name}_total", text, labels), self.cells, self._note))

    def _gauge(self, name: str, text: str, *labels: str, merge: Merge = "sum") -> Gauge:
        definition = Definition(f"uploadsvc_{name}", text, labels, kind="gauge", merge=merge)
        return self._add(Gauge(definition, self.cells, self._note))

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        definition = Definition(f"uploadsvc_{name}", text, labels, kind="histogram", buckets=SECONDS)
        return self._add(Histogram(definition, self.cells, self._note))

    def _add(self, family: _Family) -> _Family:
        self.families[family.definition.name] = family
        return family
