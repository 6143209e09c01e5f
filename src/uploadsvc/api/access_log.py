"""Access log: one line per request, on all paths."""

import os
import re
import time
from binascii import hexlify
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog
from starlette.types import Scope

from uploadsvc.api.routing import PRINCIPAL_KEY, REFUSAL_KEY
from uploadsvc.auth.client_address import ClientAddresses, forwarded_for
from uploadsvc.telemetry.records import RequestRecord
from uploadsvc.telemetry.tracing import RequestSpan, Tracing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uploadsvc.domain.principal import Principal

PROBES: Final = frozenset({"/healthz", "/readyz"})
"""Routes that orchestrators call every few seconds. Their successes are logged at level debug."""

_ENTRY_KEY: Final = "uploadsvc.entry"
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_TRACE: Final = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
"""``traceparent``: https://www.w3.org/TR/trace-context/#traceparent-header"""

_BAD_REQUEST: Final = 400
_log = structlog.get_logger("uploadsvc.access")


class Entry(RequestRecord):
    """A request in progress, and its log line at the end.

    Keeps neither headers nor bodies, because many lines may wait to be written.

    Attributes:
        sent_id: Id of the request, as sent in the response.
        span: Its span; ``None`` without tracing.
        seconds: Duration, once it has ended.
    """

    _service: str | None = None
    _user: str | None = None
    _forwarded = ""

    def __init__(self, request_id: bytes, trace_id: str | None, span: RequestSpan | None) -> None:
        super().__init__(request_id.decode(), trace_id)
        self.sent_id = request_id
        self.span = span
        self._token = self.enter()
        self._started = time.perf_counter()

    def end(self, scope: Scope, status: int, addresses: ClientAddresses) -> str | None:
        """Note how the request ended; return its route."""
        self.seconds = time.perf_counter() - self._started
        self._status, self._method = status, scope["method"]
        self._route: str | None = getattr(scope.get("route"), "path", None)
        if REFUSAL_KEY in scope:
            self.reason = scope[REFUSAL_KEY]
        if self.span is not None:
            self.span.end(status, self._route, self.code)
            self.span = None
        self.leave(self._token)
        client = scope.get("client")
        self._peer = client[0] if client else None
        self._addresses = addresses
        if addresses.behind_proxies:
            self._forwarded = forwarded_for(scope["headers"])
        principal: Principal | None = scope.get(PRINCIPAL_KEY)
        if principal is not None:
            self._user, self._service = principal.user, principal.service
        return self._route

    def line(self) -> dict[str, Any]:
        """Return the fields of the line. Called by the writing thread."""
        fields: dict[str, Any] = {
            "method": self._method,
            "route": self._route,
            "status": self._status,
            "ms": round(self.seconds * 1000, 2),
            "client": self._addresses.of(self._peer, self._forwarded) if self._forwarded else self._peer,
            "user": self._user,
        }
        if self._service:
            fields["service"] = self._service
        if self.policy is not None:
            fields["policy"] = self.policy
        if self.upload_method is not None:
            fields["upload_method"] = self.upload_method
        if self.upload_id is not None:
            fields["upload_id"] = self.upload_id
        if self.items is not None:
            fields["uploads"] = len(self.items)
        if self.code is not None:
            fields["code"] = self.code
        if self.reason is not None:
            fields["reason"] = self.reason
        if self.s3_request_id is not None:
            fields["s3_request_id"] = self.s3_request_id
        fields["request_id"] = self.request_id
        if self.trace_id is not None:
            fields["trace_id"] = self.trace_id
        return fields

    def item_lines(self) -> "Iterator[dict[str, Any]]":
        """Yield the fields of each upload of a batch."""
        for item in self.items or ():
            yield {**item, "user": self._user, **self.ids()}


class AccessLog:
    """Records the start and end of requests.

    Lines have the route instead of the path, because paths contain upload ids and tokens.

    Args:
        addresses: Finds client addresses behind proxies; ``None`` without proxies.
        tracing: Makes spans.
    """

    def __init__(self, *, addresses: ClientAddresses | None = None, tracing: Tracing | None = None) -> None:
        self._addresses = addresses or ClientAddresses()
        self._tracing = tracing or Tracing()
        # Bound once: structlog's proxy would bind a logger for every line.
        self._log = _log.bind()
        self._later: Callable[[str, Callable[[], dict[str, Any]]], None] | None = getattr(
            self._log, "info_later", None
        )

    def begin(self, scope: Scope) -> Entry:
        """Start the entry of a request. It must be ended in the same task."""
        if (known := scope.get(_ENTRY_KEY)) is not None:
            begun: Entry = known
            return begun
        request_id = trace_id = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                if request_id is None and _REQUEST_ID.fullmatch(value):
                    request_id = value
            elif name == b"traceparent" and (found := _TRACE.fullmatch(value)):
                trace_id = found[1].decode()
        request_id = request_id or hexlify(os.urandom(16))
        span = None
        # Otherwise most spans of an idle service would come from probes.
        if self._tracing.on and scope["path"].removeprefix(scope.get("root_path", "")) not in PROBES:
            span = self._tracing.request(scope["method"], scope.get("scheme", "http"), scope["headers"])
            trace_id = self._tracing.trace_id()
        entry = scope[_ENTRY_KEY] = Entry(request_id, trace_id, span)
        return entry

    def end(self, scope: Scope, entry: Entry, status: int) -> None:
        """Log a request.

        Args:
            scope: The request.
            entry: Its entry.
            status: Status of the response; 0 if there was none.
        """
        route = entry.end(scope, status, self._addresses)
        if route in PROBES and 0 < status < _BAD_REQUEST:
            self._log.debug("request", **entry.line())
            return
        for fields in entry.item_lines() if entry.items else ():
            self._write("upload", partial(dict, fields))
        self._write("request", entry.line)

    def _write(self, event: str, fields: Callable[[], dict[str, Any]]) -> None:
        if self._later is None:
            self._log.info(event, **fields())
        else:
            self._later(event, fields)
