"""Middleware for every request: request id, access log, security headers, CORS.

Plain ASGI, without additional tasks.
"""

import traceback
from http import HTTPStatus
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uploadsvc.api.access_log import AccessLog
from uploadsvc.api.problems import Problem, domain_problem, root_of
from uploadsvc.api.routing import REFUSAL_KEY, add_security_headers
from uploadsvc.domain.errors import Overloaded
from uploadsvc.telemetry.metrics import METHODS, OTHER, UNMATCHED, Metrics
from uploadsvc.telemetry.records import current, note_problem

_log = structlog.get_logger("uploadsvc.access")


class RequestMiddleware:
    """Wraps the app. Logs unexpected exceptions, and responds with a problem without a traceback.

    Args:
        app: The app.
        access_log: Logs requests.
        metrics: Counts requests.
    """

    def __init__(self, app: ASGIApp, access_log: AccessLog, *, metrics: Metrics) -> None:
        self._app = app
        self._access_log = access_log
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        entry, status = self._access_log.begin(scope), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                # Starlette passes on the handler's value, such as an HTTPStatus.
                status = int(message["status"])
                headers = message["headers"] = list(message.get("headers", ()))
                headers.append((b"x-request-id", entry.sent_id))
                add_security_headers(headers)
            await send(message)

        self._metrics.http_requests_in_progress.add(1.0)
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # As text: structlog's own tracebacks show local variables unless the mounting app configures it.
            _log.error("unexpected_error", exception=traceback.format_exc(), **entry.ids())
            entry.code = "internal_error"
            if status:
                raise
            detail = f"Something went wrong here; request {entry.request_id}."
            problem = Problem("internal_error", detail, root=root_of(scope))
            await problem.response()(scope, receive, send_with_headers)
        finally:
            self._access_log.end(scope, entry, status)
            self._count(scope, status, entry.seconds)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        metrics, method = self._metrics, scope["method"]
        metrics.http_requests_in_progress.add(-1.0)
        metrics.http_request_duration.observe(
            seconds,
            method if method in METHODS else OTHER,
            getattr(scope.get("route"), "path", UNMATCHED),
            str(status),
        )
        if REFUSAL_KEY in scope:
            metrics.auth_failures.inc(scope[REFUSAL_KEY])


async def overloaded(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond to a request above the limit, before doing anything else for it."""
    error = Overloaded("Too many requests are in progress; try again.", retry_after=1)
    note_problem(error.code)
    await domain_problem(error).at(root_of(scope)).response()(scope, receive, send)


class Cors(CORSMiddleware):
    """CORS middleware that logs preflights. It answers them itself, outside of the other middleware.

    Args:
        app: The app.
        access_log: Logs requests.
        metrics: Counts requests.
        **options: Options of Starlette's middleware.
    """

    def __init__(self, app: ASGIApp, *, access_log: AccessLog, metrics: Metrics, **options: Any) -> None:  # noqa: ANN401 - Starlette's
        super().__init__(app, **options)
        self._logged = RequestMiddleware(super().__call__, access_log, metrics=metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        preflight = (
            scope["type"] == "http"
            and scope["method"] == "OPTIONS"
            and {b"origin", b"access-control-request-method"} <= {name for name, _ in scope["headers"]}
        )
        await (self._logged if preflight else super().__call__)(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight, and note the reason of a refusal."""
        response = super().preflight_response(request_headers)
        record = current()
        if record is not None and response.status_code == HTTPStatus.BAD_REQUEST:
            record.reason = bytes(response.body).decode()
        return response
