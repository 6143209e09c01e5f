"""Middleware around every request: request id, access log, security headers. Plain ASGI, no extra tasks."""

import re
import time
import traceback
from typing import Final
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uploadsvc.api.problems import Problem
from uploadsvc.api.routing import REFUSAL_KEY, set_security_headers

PRINCIPAL_KEY: Final = "uploadsvc.principal"
"""Key of the scope under which authentication leaves the caller, for the access log."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = structlog.get_logger("uploadsvc.access")


class RequestMiddleware:
    """Wraps the app. Unexpected exceptions are logged and answered with a problem, without a trace.

    The access log names the route in place of the path, because paths hold upload ids and tokens.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        sent_id = headers.get("x-request-id", "")
        request_id = sent_id if _REQUEST_ID.fullmatch(sent_id) else uuid4().hex
        started, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                # Starlette passes the handler's value on, such as an HTTPStatus.
                status = int(message["status"])
                response_headers = MutableHeaders(scope=message)
                response_headers["X-Request-ID"] = request_id
                set_security_headers(response_headers)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # As text: structlog's own traces show local variables unless the mounting app configures it.
            _log.error("unexpected_error", exception=traceback.format_exc(), request_id=request_id)
            if status:
                raise
            detail = f"Something went wrong here; request {request_id}."
            await Problem("internal_error", detail).response()(scope, receive, send_with_headers)
        finally:
            principal = scope.get(PRINCIPAL_KEY)
            _log.info(
                "request",
                method=scope["method"],
                route=getattr(scope.get("route"), "path", None),
                status=status,
                ms=round((time.perf_counter() - started) * 1000, 2),
                user=principal and principal.user,
                **({"service": principal.service} if principal and principal.service else {}),
                **({"reason": scope[REFUSAL_KEY]} if REFUSAL_KEY in scope else {}),
                request_id=request_id,
            )
