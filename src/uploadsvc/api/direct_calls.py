"""Hot path: serve some operations without FastAPI's routing and dependency resolution.

FastAPI still declares these operations, and serves requests whose body is not plain, valid JSON.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Any, Final, get_args, get_type_hints

from fastapi import Request, Response
from fastapi.params import Depends
from pydantic import BaseModel
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uploadsvc.api.access_log import AccessLog
from uploadsvc.api.dependencies import Authentication
from uploadsvc.api.routing import PRINCIPAL_KEY, SMALL_BODY_BYTES, ProblemRoute
from uploadsvc.domain.errors import UploadsvcError

Key = tuple[str, str]
"""Method and path of an operation; the path may contain ``{id}``."""

_BODY_KEY: Final = "uploadsvc.body"
_JSON: Final = frozenset(
    {b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"}
)
_ID: Final = re.compile(r"[A-Za-z0-9_-]+")
_ID_SEGMENT: Final = 3


class DirectCall:
    """Serves one operation: read, parse, authenticate, call, send.

    Args:
        route: The route that declares the operation.
        authenticate: Authenticates its callers.
        takes_id: Whether its path holds ``{id}``.
        model: Model of its body; ``None`` if it takes no body.
        optional: Whether the body may be left out.
        takes_request: Whether its handler takes the request too.
    """

    def __init__(
        self,
        route: ProblemRoute,
        authenticate: Authentication,
        *,
        takes_id: bool,
        model: type[BaseModel] | None,
        optional: bool,
        takes_request: bool = False,
    ) -> None:
        self._route = route
        self._authenticate = authenticate
        self._takes_id = takes_id
        self._model = model
        self._optional = optional
        self._takes_request = takes_request

    async def read(self, scope: Scope, receive: Receive, received: list[Message]) -> bool:
        """Read a request. Returns whether it is plain and valid.

        Args:
            scope: The request; gets its parsed body and its caller.
            receive: Receives its messages.
            received: Collects the received messages.
        """
        content = b""
        if self._model is not None:
            more = True
            while more and len(content) <= SMALL_BODY_BYTES:
                message = await receive()
                received.append(message)
                content += message.get("body", b"")
                more = message.get("more_body", False)
            if more or len(content) > SMALL_BODY_BYTES or received[-1]["type"] != "http.request":
                return False
        try:
            # Authenticate before parsing the body, which takes longer.
            await self._authenticate.caller(scope)
            return self._model is None or self._parse(scope, content)
        except Exception:  # noqa: BLE001 - FastAPI repeats it, and answers it as it does for all routes
            return False

    def _parse(self, scope: Scope, content: bytes) -> bool:
        if not content:
            scope[_BODY_KEY] = None
            return self._optional
        # Like FastAPI, use the first header of this name.
        types = (value.lower() for name, value in scope["headers"] if name == b"content-type")
        if self._model is None or next(types, b"") not in _JSON:
            return False
        scope[_BODY_KEY] = self._model.model_validate_json(content)
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request that was read."""
        scope["route"] = self._route
        arguments = [scope[PRINCIPAL_KEY]]
        if self._takes_id:
            arguments.append(scope["path_params"]["id"])
        if self._model is not None:
            arguments.append(scope[_BODY_KEY])
        if self._takes_request:
            arguments.append(Request(scope))
        try:
            response = await self._route.endpoint(*arguments)
        except UploadsvcError as error:
            response = self._route.refuse(error, scope)
        await response(scope, receive, send)


class HotPath:
    """Routes plain, valid requests to direct calls, and all others to the app.

    Args:
        app: The app.
        calls: Direct calls by operation.
        around: Wraps a direct call in the middleware of every request.
        enabled: Returns whether direct calls are enabled.
        access_log: Starts the entry of a request, so that lines logged while reading it have its id. The
            middleware ends it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        calls: Mapping[Key, DirectCall],
        around: Callable[[ASGIApp], ASGIApp],
        enabled: Callable[[], bool],
        access_log: AccessLog,
    ) -> None:
        self._app = app
        self._access_log = access_log
        self._enabled = enabled
        self._calls = {key: (call, around(call)) for key, call in calls.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        found = self._find(scope) if scope["type"] == "http" else None
        if found is not None and self._enabled():
            self._access_log.begin(scope)
            call, wrapped = found
            received: list[Message] = []
            if await call.read(scope, receive, received):
                await wrapped(scope, receive, send)
                return
            receive = _repeat(received, receive)
        await self._app(scope, receive, send)

    def _find(self, scope: Scope) -> tuple[DirectCall, ASGIApp] | None:
        # A proxy may have stripped a prefix (the ASGI specification's `root_path`).
        method, path = scope["method"], scope["path"].removeprefix(scope.get("root_path", ""))
        found = self._calls.get((method, path)) if "{" not in path else None
        if found is None:
            segments = path.split("/", _ID_SEGMENT + 2)
            if len(segments) > _ID_SEGMENT and _ID.fullmatch(segments[_ID_SEGMENT]):
                upload_id, segments[_ID_SEGMENT] = segments[_ID_SEGMENT], "{id}"
                found = self._calls.get((method, "/".join(segments)))
                if found is not None:
                    scope["path_params"] = {"id": upload_id}
        return found


def direct_calls(routes: Iterable[BaseRoute]) -> dict[Key, DirectCall]:
    """Return direct calls for handlers that take only a caller, an id, a JSON body and the request.

    Only for the service's own authentication: an app that mounts the router may use other dependencies.
    """
    calls: dict[Key, DirectCall] = {}
    for route in routes:
        if not isinstance(route, ProblemRoute):
            continue
        hints = get_type_hints(route.endpoint, include_extras=True)
        names = list(inspect.signature(route.endpoint).parameters)
        authenticate = _dependency(hints["caller"])
        known = names == [name for name in ("caller", "id", "body", "request") if name in names]
        if known and hints["return"] is Response and isinstance(authenticate, Authentication):
            body = hints["body"].__origin__ if "body" in names else None
            kinds = [kind for kind in get_args(body) or (body,) if kind is not NoneType]
            call = DirectCall(
                route,
                authenticate,
                takes_id="id" in names,
                model=kinds[0],
                optional=NoneType in get_args(body),
                takes_request="request" in names,
            )
            calls |= {(method, route.path): call for method in route.methods or ()}
    return calls


def _dependency(annotation: Any) -> object:  # noqa: ANN401 - of a parameter
    return next((one.dependency for one in annotation.__metadata__ if isinstance(one, Depends)), None)


def _repeat(received: list[Message], receive: Receive) -> Receive:
    async def repeated() -> Message:
        return received.pop(0) if received else await receive()

    return repeated
