"""The hot path: operations that are served without FastAPI's routing and dependency solving.

FastAPI declares these operations, and serves their requests that are not plain or not valid.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, get_type_hints

from fastapi import Response
from fastapi.params import Depends
from pydantic import BaseModel, ValidationError
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uploadsvc.api.dependencies import Authentication
from uploadsvc.api.routing import SMALL_BODY_BYTES, ProblemRoute
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.principal import Principal

Endpoint = Callable[[Principal, Any], Awaitable[Response]]
"""A handler of a caller and a parsed body."""

_BODY_KEY: Final = "uploadsvc.body"
_JSON: Final = frozenset(
    {b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"}
)


class DirectCall:
    """Serves one operation in a straight line: read, parse, authenticate, call, send.

    Args:
        route: The route that declares the operation.
        authenticate: Authenticates its callers.
        model: Its body.
    """

    def __init__(self, route: ProblemRoute, authenticate: Authentication, model: type[BaseModel]) -> None:
        self._route = route
        self._endpoint: Endpoint = route.endpoint
        self._authenticate = authenticate
        self._model = model

    async def read(self, scope: Scope, receive: Receive, received: list[Message]) -> BaseModel | None:
        """Return the body of a request; ``None`` if it is not what the operation takes.

        Args:
            scope: The request.
            receive: Receives its messages.
            received: Collects those that were received.
        """
        if dict(scope["headers"]).get(b"content-type", b"").lower() not in _JSON:
            return None
        content, more = b"", True
        while more and len(content) <= SMALL_BODY_BYTES:
            message = await receive()
            received.append(message)
            content += message.get("body", b"")
            more = message.get("more_body", False)
        if more or len(content) > SMALL_BODY_BYTES or received[-1]["type"] != "http.request":
            return None
        try:
            return self._model.model_validate_json(content)
        except ValidationError:
            # FastAPI parses it again and says what is wrong with it.
            return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose body was read."""
        scope["route"] = self._route
        try:
            response = await self._endpoint(await self._authenticate.caller(scope), scope[_BODY_KEY])
        except UploadsvcError as error:
            response = self._route.refuse(error, scope)
        await response(scope, receive, send)


class HotPath:
    """Sends plain and valid requests to direct calls, and all others to the app.

    Args:
        app: The app.
        calls: Direct calls by path.
        around: Returns the middleware of every request around a direct call.
    """

    def __init__(
        self, app: ASGIApp, *, calls: Mapping[str, DirectCall], around: Callable[[ASGIApp], ASGIApp]
    ) -> None:
        self._app = app
        self._calls = {path: (call, around(call)) for path, call in calls.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "POST":
            # A proxy may have stripped a prefix (the ASGI specification's `root_path`).
            found = self._calls.get(scope["path"].removeprefix(scope.get("root_path", "")))
            if found is not None:
                call, wrapped = found
                received: list[Message] = []
                body = await call.read(scope, receive, received)
                if body is not None:
                    scope[_BODY_KEY] = body
                    await wrapped(scope, receive, send)
                    return
                receive = _repeat(received, receive)
        await self._app(scope, receive, send)


def direct_calls(routes: Iterable[BaseRoute]) -> dict[str, DirectCall]:
    """Return by path the POST operations that take nothing but a caller and a JSON body.

    They must be authenticated by the service itself: an app that mounts the router may have dependencies.
    """
    calls = {}
    for route in routes:
        if isinstance(route, ProblemRoute) and route.methods == {"POST"} and not route.param_convertors:
            hints = get_type_hints(route.endpoint, include_extras=True)
            if list(inspect.signature(route.endpoint).parameters) != ["caller", "body"]:
                continue
            authenticate = _dependency(hints["caller"])
            if isinstance(authenticate, Authentication):
                calls[route.path] = DirectCall(route, authenticate, hints["body"].__origin__)
    return calls


def _dependency(annotation: Any) -> object:  # noqa: ANN401 - of a parameter
    return next((one.dependency for one in annotation.__metadata__ if isinstance(one, Depends)), None)


def _repeat(received: list[Message], receive: Receive) -> Receive:
    async def repeated() -> Message:
        return received.pop(0) if received else await receive()

    return repeated
