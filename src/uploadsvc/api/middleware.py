"""Middleware around every request: request id, access log, security headers. Plain ASGI, no extra tasks."""

import os
import re
import time
import traceback
from binascii import hexlify
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uploadsvc.api.problems import Problem, domain_problem
from uploadsvc.api.routing import PRINCIPAL_KEY, REFUSAL_KEY, STARTED_KEY, add_security_headers
from uploadsvc.domain.errors import Overloaded
from uploadsvc.telemetry.metrics import METHODS, OTHER, UNMATCHED, Metrics

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_log = structlog.get_logger("uploadsvc.access")


class RequestMiddleware:
    """Wraps the app. Unexpected exceptions are logged and answered with a problem, without a trace.

    The access log names the route in place of the path, because paths hold upload ids and tokens.

    Args:
        app: The app.
        metrics: Counts requests.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._in_progress = 0
        metrics.http_requests_in_progress.follow(lambda: self._in_progress)
        # Bound once: the module's proxy would bind a logger for every line.
        self._log = _log.bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        started, status = scope.get(STARTED_KEY) or time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                # Starlette passes the handler's value on, such as an HTTPStatus.
                status = int(message["status"])
                headers = message["headers"] = list(message.get("headers", ()))
                headers.append((b"x-request-id", request_id))
                add_security_headers(headers)
            await send(message)

        self._in_progress += 1
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # As text: structlog's own traces show local variables unless the mounting app configures it.
            named = request_id.decode()
            _log.error("unexpected_error", exception=traceback.format_exc(), request_id=named)
            if status:
                raise
            detail = f"Something went wrong here; request {named}."
            await Problem("internal_error", detail).response()(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            self._count(scope, status, seconds)
            self._log.info("request", **_access(scope, status, seconds, request_id))

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        metrics, method = self._metrics, scope["method"]
        self._in_progress -= 1
        metrics.http_request_duration.observe(
            seconds,
            method if method in METHODS else OTHER,
            getattr(scope.get("route"), "path", UNMATCHED),
            str(status),
        )
        if REFUSAL_KEY in scope:
            metrics.auth_failures.inc(scope[REFUSAL_KEY])


async def overloaded(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request that the service has no room for, before anything else is done for it."""
    error = Overloaded("Too many requests are in progress; try again.", retry_after=1)
    await domain_problem(error).response()(scope, receive, send)


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            sent: bytes = value
            return sent
    return hexlify(os.urandom(16))


def _access(scope: Scope, status: int, seconds: float, request_id: bytes) -> dict[str, Any]:
    """Return the fields of a request's line in the access log."""
    fields = {
        "method": scope["method"],
        "route": getattr(scope.get("route"), "path", None),
        "status": status,
        "ms": round(seconds * 1000, 2),
        "user": None,
        "request_id": request_id.decode(),
    }
    if (principal := scope.get(PRINCIPAL_KEY)) is not None:
        fields["user"] = principal.user
        if principal.service:
            fields["service"] = principal.service
    if REFUSAL_KEY in scope:
        fields["reason"] = scope[REFUSAL_KEY]
    return fields
