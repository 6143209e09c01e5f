"""Routes with their own problems, body limit and security headers, in any app."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from uploadsvc.api.problems import Problem, body_problem, domain_problem, root_of, validation_problem
from uploadsvc.domain.errors import Unauthenticated, UploadsvcError
from uploadsvc.telemetry.records import note_problem

MAX_BODY_BYTES: Final = 1024 * 1024
TOO_LARGE: Final = f"A request's body may have {MAX_BODY_BYTES} bytes; files go straight to S3."
PRINCIPAL_KEY: Final = "uploadsvc.principal"
"""Scope key for the authenticated caller, for the access log."""

MAX_SEPARATORS: Final = 100_000
"""Maximum number of commas and colons in a body. Parsing blocks the event loop, longer for more values."""

SMALL_BODY_BYTES: Final = 64 * 1024
"""Maximum size in bytes of a body whose commas and colons are not counted."""

REFUSAL_KEY: Final = "uploadsvc.refusal"
"""Scope key for the reason why a credential is not valid, for the access log."""

SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    # Most responses contain a credential or names of a user's objects.
    (b"cache-control", b"no-store"),
)

_TOO_MANY: Final = f"A request's body may have {MAX_SEPARATORS} commas and colons; send several requests."
_OWN_PATH: Final = "uploadsvc_path"
"""Attribute of a handler: the path of its route in the service."""

_UNREADABLE: Final = "There was an error parsing the body"


class BodyTooLargeError(HTTPException):
    """A body above `MAX_BODY_BYTES` or `MAX_SEPARATORS`.

    An HTTPException, because FastAPI turns other exceptions into its own 400.
    """

    def __init__(self, detail: str = TOO_LARGE) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


class ProblemRoute(APIRoute):
    """A route that reports errors as problems (RFC 9457), even in an app that does not.

    Exceptions of that app's own dependencies, such as authentication, are left to the app.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's
        super().__init__(path, endpoint, **options)
        # An app that includes the route under a prefix may make another of it, with a longer path.
        self._own_path: str = vars(endpoint).setdefault(_OWN_PATH, path)

    def render(self, problem: Problem) -> Response:
        """Render a problem. Override it for clients with another format."""
        return problem.response()

    def refuse(self, error: UploadsvcError, scope: Scope) -> Response:
        """Render a domain error, and note the reason of a 401 for the access log."""
        if isinstance(error, Unauthenticated):
            scope[REFUSAL_KEY] = error.reason
        return self._answer(domain_problem(error), scope)

    def _answer(self, problem: Problem, scope: Scope) -> Response:
        note_problem(problem.code)
        return self.render(problem.at(root_of(scope, self._own_path)))

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()

        async def handle_or_render(request: Request) -> Response:
            try:
                response = await handle(Request(request.scope, _limited(request.receive)))
            except UploadsvcError as error:
                response = self.refuse(error, request.scope)
            except RequestValidationError as error:
                response = self._answer(validation_problem(error), request.scope)
            except HTTPException as error:
                if not isinstance(error, BodyTooLargeError) and not _is_unreadable(error):
                    raise
                response = self._answer(body_problem(error), request.scope)
            add_security_headers(response.raw_headers)
            return response

        return handle_or_render


def problem_router(*, prefix: str = "", tag: str) -> APIRouter:
    """Return a router with `ProblemRoute` as its route class."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=ProblemRoute)


def add_security_headers(raw_headers: list[tuple[bytes, bytes]]) -> None:
    """Add headers against sniffing, referrers and caching, unless the response sets them."""
    sent = dict(raw_headers)
    for name, value in SECURITY_HEADERS:
        if name not in sent:
            raw_headers.append((name, value))


def _is_unreadable(error: HTTPException) -> bool:
    # FastAPI's own 400 for a body that it cannot decode, such as invalid UTF-8.
    return (
        error.status_code == HTTPStatus.BAD_REQUEST
        and error.detail == _UNREADABLE
        and error.__cause__ is not None
    )


def _limited(receive: Receive) -> Receive:
    received = separators = 0

    async def counted() -> Message:
        nonlocal received, separators
        message = await receive()
        body = message.get("body", b"")
        received += len(body)
        if received > MAX_BODY_BYTES:
            raise BodyTooLargeError
        if received > SMALL_BODY_BYTES:
            separators += body.count(b",") + body.count(b":")
            if separators > MAX_SEPARATORS:
                raise BodyTooLargeError(_TOO_MANY)
        return message

    return counted
