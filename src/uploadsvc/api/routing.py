"""Routes that answer for themselves, whatever app they are part of: problems, a size limit, safe headers."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from uploadsvc.api.problems import domain_problem, unreadable_body, validation_problem
from uploadsvc.domain.errors import UploadsvcError

MAX_BODY_BYTES: Final = 1024 * 1024
TOO_LARGE: Final = f"A request's body may have {MAX_BODY_BYTES} bytes; files go straight to S3."
_UNREADABLE: Final = "There was an error parsing the body"


class BodyTooLargeError(HTTPException):
    """More bytes than a request may have. FastAPI lets only its own kind of exception through."""

    def __init__(self) -> None:
        super().__init__(413, TOO_LARGE)


class ProblemRoute(APIRoute):
    """A route whose errors are problems (RFC 9457), also in an app that knows none.

    What a dependency of that app's raises, its own authentication for one, stays that app's.
    """

    def shaped(self, problem: Response) -> Response:
        """Return a problem as this route's callers read it: as it is, unless a subclass says otherwise."""
        return problem

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler that FastAPI calls."""
        inner = super().get_route_handler()

        async def claims(request: Request) -> Response:
            try:
                response = await inner(Request(request.scope, _limited(request.receive)))
            except UploadsvcError as error:
                response = self.shaped(domain_problem(error))
            except RequestValidationError as error:
                response = self.shaped(validation_problem(error))
            except HTTPException as error:
                if not isinstance(error, BodyTooLargeError) and not _is_unreadable(error):
                    raise
                response = self.shaped(unreadable_body(error))
            harden(response.headers)
            return response

        return claims


def problem_router(*, prefix: str = "", tag: str) -> APIRouter:
    """Return a router of such routes."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=ProblemRoute)


def harden(headers: MutableHeaders) -> None:
    """Let nobody sniff, refer to or, unless the answer says otherwise, keep an answer.

    Most carry a credential or say what is whose.
    """
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    if "cache-control" not in headers:
        headers["Cache-Control"] = "no-store"


def _is_unreadable(error: HTTPException) -> bool:
    # FastAPI's own 400, for a body that it could not read at all: bad UTF-8, for one.
    return error.status_code == 400 and error.detail == _UNREADABLE and error.__cause__ is not None  # noqa: PLR2004 - Bad Request


def _limited(receive: Receive) -> Receive:
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            raise BodyTooLargeError
        return message

    return counted
