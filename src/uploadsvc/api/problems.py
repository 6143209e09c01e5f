"""Problem details (RFC 9457): the one table that maps domain errors to HTTP."""

import json
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from uploadsvc.domain.errors import Unavailable, UploadsvcError

MEDIA_TYPE: Final = "application/problem+json"

STATUS_TITLES: Final[dict[str, tuple[int, str]]] = {
    "unauthenticated": (401, "No valid credential"),
    "forbidden": (403, "Not allowed"),
    "not_found": (404, "Not found"),
    "policy_not_found": (404, "No such policy"),
    "method_not_allowed": (405, "Method not allowed"),
    "upload_incomplete": (409, "Upload incomplete"),
    "upload_aborted": (409, "Upload aborted"),
    "object_exists": (409, "Object exists"),
    "upload_expired": (410, "Upload expired"),
    "file_too_large": (413, "File too large"),
    "body_too_large": (413, "Request body too large"),
    "content_type_not_allowed": (415, "Content type not allowed"),
    "validation_error": (422, "Invalid request"),
    "size_required": (422, "Size required"),
    "content_type_required": (422, "Content type required"),
    "checksum_required": (422, "Checksum required"),
    "file_too_small": (422, "File too small"),
    "invalid_key": (422, "Invalid key"),
    "metadata_not_allowed": (422, "Metadata not allowed"),
    "method_not_available": (422, "Upload method not available"),
    "verification_failed": (422, "Verification failed"),
    "internal_error": (500, "Internal error"),
    "storage_denied": (502, "Object store denied access"),
    "storage_misconfigured": (502, "Object store misconfigured"),
    "storage_unavailable": (503, "Unavailable for now"),
}

IDENTITY: Final = ("unauthenticated", "validation_error", "internal_error", "storage_unavailable")
"""What every operation with a caller can answer; the last, where the keys that check tokens are not there."""

CALLER: Final = (*IDENTITY, "forbidden")
"""What every operation with a caller can answer that writes, or works below the caller's prefix."""

STORAGE: Final = ("storage_denied", "storage_misconfigured", "storage_unavailable")
"""What every operation can answer that asks S3, or signs by credentials that have to be fetched."""

MAX_FIELD_ERRORS: Final = 20
"""A body can be wrong in tens of thousands of places; nobody reads them."""

MAX_FIELD_CHARACTERS: Final = 200

_BY_STATUS: Final = {401: "unauthenticated", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}
_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_OWN_DETAILS: Final = {
    "json_invalid": "The body is not JSON.",
    "missing": "It has to be given.",
    "extra_forbidden": "There is no such field.",
}


class FieldError(BaseModel):
    """One field at fault."""

    field: str = Field(
        description="The field, header or parameter, as the caller wrote it.", examples=["size"]
    )
    detail: str = Field(examples=["The file has 9 bytes; policy 'default' allows 5."])


class UploadsvcProblem(BaseModel, title="Problem"):
    """An error, as RFC 9457 has it."""

    # Its own name is one that an app which mounts the routes does not have too.

    type: str = Field(examples=["urn:uploadsvc:problem:file_too_large"])
    title: str = Field(examples=["File too large"])
    status: int = Field(examples=[413])
    detail: str = Field(examples=["The file has 9 bytes; policy 'default' allows 5."])
    code: str = Field(description="Stable; meant for programs.", examples=["file_too_large"])
    errors: list[FieldError] = Field(description="The fields at fault; may be empty.")


def problem_content(code: str, detail: str, *, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """Return a problem as plain data.

    Args:
        code: A key of `STATUS_TITLES`.
        detail: One sentence for people.
        errors: Fields at fault.
    """
    status, title = STATUS_TITLES[code]
    return {
        "type": f"urn:uploadsvc:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": errors or [],
    }


def error_content(error: UploadsvcError) -> dict[str, Any]:
    """Return a domain error as plain data."""
    errors = [{"field": error.field, "detail": error.detail}] if error.field else None
    return problem_content(error.code, error.detail, errors=errors)


def response(content: dict[str, Any], *, headers: dict[str, str] | None = None) -> Response:
    """Return a problem as a response."""
    # ASCII, because a field's name comes from the request and may hold a lone surrogate.
    return Response(json.dumps(content), content["status"], media_type=MEDIA_TYPE, headers=headers)


def problem(code: str, detail: str, *, headers: dict[str, str] | None = None) -> Response:
    """Return a problem about no field as a response."""
    return response(problem_content(code, detail), headers=headers)


def document(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of an operation that can answer with these problems."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(STATUS_TITLES[code][0], []).append(code)
    return {
        status: {
            "description": "; ".join(STATUS_TITLES[code][1] for code in listed),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/UploadsvcProblem"},
                    "examples": {code: {"value": _example(code)} for code in listed},
                }
            },
        }
        for status, listed in sorted(by_status.items())
    }


def register_problems(app: FastAPI) -> None:
    """Answer as a problem what no route answers: addresses and methods that there are not."""
    app.add_exception_handler(HTTPException, _http_error)


def domain_problem(error: UploadsvcError) -> Response:
    """Return a refusal or a failure as a response."""
    headers = {}
    if error.code == "unauthenticated":
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    return response(error_content(error), headers=headers)


def validation_problem(error: RequestValidationError) -> Response:
    """Return as a response what is wrong with a request's fields."""
    # Only where and why: the input itself may be a secret, and is the caller's own anyway.
    errors = [
        {
            "field": _field(item["loc"]),
            "detail": _OWN_DETAILS.get(item["type"], f"{item['msg'].removeprefix('Value error, ')}."),
        }
        for item in error.errors()[:MAX_FIELD_ERRORS]
    ]
    first = errors[0]
    detail = f"{first['field']}: {first['detail']}"
    return response(problem_content("validation_error", detail, errors=errors))


def _field(location: tuple[int | str, ...]) -> str:
    # A field that there is not has a name of the caller's, of any length and any characters.
    name = ".".join(str(part) for part in location[1:])[:MAX_FIELD_CHARACTERS] or "body"
    return name if name.isprintable() else ascii(name)[1:-1]


def unreadable_body(error: HTTPException) -> Response:
    """Return as a response that a body is too long, or no JSON in UTF-8."""
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return problem("body_too_large", str(error.detail), headers=headers)
    return problem("validation_error", "The body could not be read as JSON.", headers=headers)


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = _BY_STATUS.get(error.status_code)
    if code is None:
        return unreadable_body(error)
    details = {"not_found": "There is nothing at this address.", "method_not_allowed": "Not by this method."}
    headers = dict(error.headers or {})
    if code == "method_not_allowed":
        headers["Allow"] = ", ".join(_allowed(request))
    return problem(code, details.get(code, str(error.detail)), headers=headers)


def _allowed(request: Request) -> list[str]:
    # RFC 9110 section 15.5.6: all methods of the address. The router names those of the first route alone.
    routes = request.app.routes
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


def _example(code: str) -> dict[str, Any]:
    return problem_content(code, f"{STATUS_TITLES[code][1]}.")
