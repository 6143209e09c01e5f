"""What happens to every request: a name, a log line, safe headers. Plain ASGI, no tasks."""

import re
import time
import traceback
from typing import Final
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uploadsvc.api.problems import problem
from uploadsvc.api.routing import harden

PRINCIPAL_KEY: Final = "uploadsvc.principal"
"""Where the authentication leaves who calls, for the log."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = structlog.get_logger("uploadsvc.access")


class RequestMiddleware:
    """Wraps the app; answers what it lets slip with a problem, never with a trace.

    The log names the route, not the address: addresses hold upload ids and queries.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        named = headers.get("x-request-id", "")
        request_id = named if _REQUEST_ID.fullmatch(named) else uuid4().hex
        started, status = time.perf_counter(), 0

        async def hardened(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _harden(MutableHeaders(scope=message), request_id)
            await send(message)

        try:
            await self._app(scope, receive, hardened)
        except Exception:
            # As text: structlog's own traces show local variables, until an app that mounts us sets it up.
            _log.error("unexpected_error", exception=traceback.format_exc(), request_id=request_id)
            if status:
                raise
            await problem("internal_error", f"Something went wrong here; request {request_id}.")(
                scope, receive, hardened
            )
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
                request_id=request_id,
            )


def _harden(headers: MutableHeaders, request_id: str) -> None:
    headers["X-Request-ID"] = request_id
    harden(headers)
