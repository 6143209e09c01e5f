"""Problem details (RFC 9457), and the table that maps domain errors to HTTP."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope
from typing_extensions import TypeAliasType

from uploadsvc.api.openapi_types import Bytes, Int32, omit_nulls
from uploadsvc.api.problem_help import HELP, without_links
from uploadsvc.domain.errors import (
    ObjectUnavailable,
    QuotaExceeded,
    RateLimited,
    Unavailable,
    UploadsvcError,
)
from uploadsvc.domain.quotas import QuotaName
from uploadsvc.domain.rates import Standing
from uploadsvc.telemetry.records import note_problem

MEDIA_TYPE: Final = "application/problem+json"

STATUS_TITLES: Final[Mapping[str, tuple[HTTPStatus, str]]] = {
    "unauthenticated": (HTTPStatus.UNAUTHORIZED, "No valid credential"),
    "forbidden": (HTTPStatus.FORBIDDEN, "Not allowed"),
    "quota_exceeded": (HTTPStatus.FORBIDDEN, "Quota exceeded"),
    "not_found": (HTTPStatus.NOT_FOUND, "Not found"),
    "policy_not_found": (HTTPStatus.NOT_FOUND, "No such policy"),
    "method_not_allowed": (HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed"),
    "upload_incomplete": (HTTPStatus.CONFLICT, "Upload incomplete"),
    "upload_aborted": (HTTPStatus.CONFLICT, "Upload aborted"),
    "object_exists": (HTTPStatus.CONFLICT, "Object exists"),
    "object_unavailable": (HTTPStatus.CONFLICT, "Object not available yet"),
    "upload_expired": (HTTPStatus.GONE, "Upload expired"),
    "file_too_large": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "File too large"),
    "body_too_large": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request body too large"),
    "content_type_not_allowed": (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content type not allowed"),
    "validation_error": (HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid request"),
    "size_required": (HTTPStatus.UNPROCESSABLE_ENTITY, "Size required"),
    "content_type_required": (HTTPStatus.UNPROCESSABLE_ENTITY, "Content type required"),
    "checksum_required": (HTTPStatus.UNPROCESSABLE_ENTITY, "Checksum required"),
    "file_too_small": (HTTPStatus.UNPROCESSABLE_ENTITY, "File too small"),
    "invalid_key": (HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid key"),
    "metadata_not_allowed": (HTTPStatus.UNPROCESSABLE_ENTITY, "Metadata not allowed"),
    "method_not_available": (HTTPStatus.UNPROCESSABLE_ENTITY, "Upload method not available"),
    "verification_failed": (HTTPStatus.UNPROCESSABLE_ENTITY, "Verification failed"),
    "content_mismatch": (HTTPStatus.UNPROCESSABLE_ENTITY, "Content differs from its type"),
    "rate_limited": (HTTPStatus.TOO_MANY_REQUESTS, "Too many requests"),
    "internal_error": (HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error"),
    "storage_denied": (HTTPStatus.BAD_GATEWAY, "Object store denied access"),
    "storage_misconfigured": (HTTPStatus.BAD_GATEWAY, "Object store misconfigured"),
    "storage_unavailable": (HTTPStatus.SERVICE_UNAVAILABLE, "Unavailable for now"),
    "overloaded": (HTTPStatus.SERVICE_UNAVAILABLE, "Overloaded"),
}

CONNECTION_TITLES: Final[Mapping[str, tuple[HTTPStatus, str]]] = {
    "bad_request": (HTTPStatus.BAD_REQUEST, "Malformed request"),
    "request_timeout": (HTTPStatus.REQUEST_TIMEOUT, "Request too slow"),
    "url_too_long": (HTTPStatus.REQUEST_URI_TOO_LONG, "URL too long"),
    "too_many_requests": (HTTPStatus.TOO_MANY_REQUESTS, "Too many requests"),
    "headers_too_large": (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Headers too large"),
}
"""Problems of requests that reach no operation. Our own server answers them and ends the connection."""

ALL_TITLES: Final[Mapping[str, tuple[HTTPStatus, str]]] = {**STATUS_TITLES, **CONNECTION_TITLES}
"""Every problem, by code."""

PROBLEMS_PATH: Final = "/problems"
"""Path of the pages that explain problems, below that of the service."""

IDENTITY: Final = (
    *("unauthenticated", "validation_error", "rate_limited", "internal_error"),
    # The keys that verify tokens cannot be fetched, or too many requests are in progress.
    *("storage_unavailable", "overloaded"),
)
"""Codes of every authenticated operation."""

CALLER: Final = (*IDENTITY, "forbidden")
"""Codes of every authenticated operation that writes, or works under the caller's prefix."""

STORAGE: Final = ("storage_denied", "storage_misconfigured", "storage_unavailable")
"""Codes of every operation that calls S3 or signs with fetched credentials."""

MAX_FIELD_ERRORS: Final = 20
"""Maximum number of fields in a problem: a body can have tens of thousands of errors."""

MAX_FIELD_CHARACTERS: Final = 200

_BY_STATUS: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "unauthenticated",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
}
_EXAMPLE_QUOTA: Final = {
    "name": "bytes_per_day",
    "limit": 10_737_418_240,
    "left": 52_428_800,
    "frees_at": "2026-11-24T00:00:00Z",
}
_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_OWN_DETAILS: Final = {
    "missing": "It has to be given.",
    "extra_forbidden": "There is no such field.",
}


_RATE_HEADERS: Final = {
    "Retry-After": {
        "description": "Seconds to wait before a retry.",
        "schema": {"type": "integer", "format": "int32", "minimum": 1},
    },
    "RateLimit-Policy": {
        "description": "The limit that was reached: requests or uploads (`q`) per number of seconds (`w`).",
        "schema": {"type": "string"},
        "example": '"user";q=600;w=60',
    },
    "RateLimit": {
        "description": "Remaining requests or uploads (`r`), and seconds until there are more (`t`).",
        "schema": {"type": "string"},
        "example": '"user";r=0;t=12',
    },
}


ProblemCode = TypeAliasType(
    "ProblemCode",
    Annotated[
        str,
        WithJsonSchema(
            {"type": "string", "enum": list(ALL_TITLES), "description": "What kind of problem it is."}
        ),
    ],
)


class FieldError(BaseModel):
    """A field that caused an error."""

    field: str = Field(
        description="Name of the field, header or parameter, as in the request.", examples=["size"]
    )
    detail: str = Field(
        description="What is wrong with it.", examples=["The file has 9 bytes; policy 'default' allows 5."]
    )


class ExceededQuota(BaseModel):
    """The quota that an upload does not fit into."""

    name: QuotaName = Field(
        description="`bytes_per_day`: bytes of the uploads that you create in one day, UTC. "
        "`unfinished_uploads`: multipart uploads that are neither completed nor aborted.",
        examples=["bytes_per_day"],
    )
    limit: Bytes = Field(description="The limit, in bytes or uploads.", examples=[10_737_418_240])
    left: Bytes = Field(description="What is left of it.", examples=[52_428_800])
    frees_at: datetime | None = Field(
        description="When this upload would fit, if nothing is freed before; null if it never fits.",
        examples=["2026-11-24T00:00:00Z"],
    )


def _without_quota(schema: dict[str, Any]) -> None:
    """Document the quota as absent, never null, and show a problem without one."""
    omit_nulls(schema)
    del schema["properties"]["quota"]["default"]
    shown = {
        name: field["examples"][0] for name, field in schema["properties"].items() if "examples" in field
    }
    schema["examples"] = [{**shown, "errors": []}]


class UploadsvcProblem(BaseModel, title="Problem"):
    """An error, in the format of RFC 9457."""

    model_config = ConfigDict(json_schema_extra=_without_quota)

    # Not called Problem: apps that mount the routes may have a model of that name.

    type: str = Field(
        description="URL of a page that explains the problem, relative to the request's URL "
        "(RFC 9457 section 3.1.1). Programs should use `code`.",
        examples=["/problems/file_too_large"],
        json_schema_extra={"format": "uri-reference"},
    )
    title: str = Field(description="Short text for the code.", examples=["File too large"])
    status: Int32 = Field(
        description="HTTP status of the response; in a batch, the status of a single request.", examples=[413]
    )
    detail: str = Field(
        description="What went wrong, in a sentence for people.",
        examples=["The file has 9 bytes; policy 'default' allows 5."],
    )
    code: ProblemCode = Field(
        description="Stable code, for programs. Later versions can have new ones: handle unknown codes by "
        "their `status`.",
        examples=["file_too_large"],
    )
    errors: list[FieldError] = Field(description="The fields that caused the error. Can be empty.")
    quota: ExceededQuota | None = Field(
        default=None, description="The quota, if the code is `quota_exceeded`; left out otherwise."
    )


@dataclass(frozen=True, slots=True)
class Problem:
    """An error, before it is rendered in a client's format.

    Attributes:
        code: A key of `ALL_TITLES`.
        detail: One sentence for people.
        errors: Fields at fault, each with its ``field`` and ``detail``.
        headers: Headers of the response, except the media type.
        members: Further members of the body.
        root: Path of the service, percent-encoded, without a slash at its end.
    """

    code: str
    detail: str
    errors: Sequence[Mapping[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)
    root: str = ""

    @property
    def status(self) -> int:
        """HTTP status of the code."""
        return ALL_TITLES[self.code][0].value

    def content(self) -> dict[str, Any]:
        """Return the body as plain data."""
        return {
            "type": type_of(self.code, root=self.root),
            "title": ALL_TITLES[self.code][1],
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "errors": list(self.errors),
            **self.members,
        }

    def at(self, root: str) -> "Problem":
        """Return the same problem of a service at another path."""
        return replace(self, root=root) if root else self

    def response(self) -> Response:
        """Return the response in the format of RFC 9457."""
        # ASCII, because field names come from the request and may contain lone surrogates.
        body = json.dumps(self.content())
        return Response(body, self.status, media_type=MEDIA_TYPE, headers=dict(self.headers))


def type_of(code: str, *, root: str = "") -> str:
    """Return the URI reference that identifies a problem: the full path of its page (RFC 9457 section 3.1.1).

    Args:
        code: Its code.
        root: Path of the service, percent-encoded, without a slash at its end.
    """
    return f"{root}{PROBLEMS_PATH}/{code}"


def root_of(scope: Scope, own_path: str = "") -> str:
    """Return the path of the service, percent-encoded, without a slash at its end.

    Args:
        scope: A request.
        own_path: Path of its route in the service, if an app may include it under a prefix. Without it,
            only the path counts under which the app is mounted, or which a proxy has stripped.
    """
    root = scope.get("root_path", "").rstrip("/")
    if own_path:
        path = scope["path"]
        # A mount leaves its prefix in the path; a proxy that strips one does not.
        whole = path if path.startswith(f"{root}/") else root + path
        root = whole.rsplit("/", own_path.count("/"))[0]
    return quote(root)


def domain_problem(error: UploadsvcError) -> Problem:
    """Return the problem for a domain error."""
    headers = {}
    if error.code == "unauthenticated":
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Unavailable | ObjectUnavailable) and error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, RateLimited):
        headers |= rate_headers(error.standing)
    errors = [{"field": error.field, "detail": error.detail}] if error.field else []
    members = {"quota": _quota(error)} if isinstance(error, QuotaExceeded) else {}
    return Problem(error.code, error.detail, errors, headers, members)


def _quota(error: QuotaExceeded) -> dict[str, Any]:
    return {
        "name": error.quota,
        "limit": error.limit,
        "left": error.left,
        "frees_at": None if error.frees_at is None else f"{error.frees_at:%Y-%m-%dT%H:%M:%SZ}",
    }


def rate_headers(standing: Standing) -> dict[str, str]:
    """Return the headers of a limit that was reached.

    The last two follow draft-ietf-httpapi-ratelimit-headers-11: lists of structured fields (RFC 9651).
    """
    name, rate, free, wait = standing
    return {
        "Retry-After": str(wait),
        "RateLimit-Policy": f'"{name}";q={rate.amount};w={rate.seconds}',
        "RateLimit": f'"{name}";r={free};t={wait}',
    }


def validation_problem(error: RequestValidationError) -> Problem:
    """Return the problem for malformed fields of a request."""
    # Paths and reasons only, because the input may contain secrets.
    cause = error.__cause__
    if isinstance(cause, json.JSONDecodeError):
        detail = f"It is not JSON: {cause.msg.lower()} at line {cause.lineno}, column {cause.colno}."
        return Problem("validation_error", f"body: {detail}", [{"field": "body", "detail": detail}])
    if isinstance(error.body, bytes):
        # FastAPI parses the body only if the header declares its type.
        detail = "It must be application/json."
        headers = [{"field": "Content-Type", "detail": detail}]
        return Problem("validation_error", f"Content-Type: {detail}", headers)
    errors = [
        {
            "field": _field_name(item["loc"]),
            "detail": _OWN_DETAILS.get(item["type"], f"{item['msg'].removeprefix('Value error, ')}."),
        }
        for item in error.errors()[:MAX_FIELD_ERRORS]
    ]
    first = errors[0]
    return Problem("validation_error", f"{first['field']}: {first['detail']}", errors)


def body_problem(error: HTTPException) -> Problem:
    """Return the problem for a body that is too long or not JSON in UTF-8."""
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Problem("body_too_large", str(error.detail), headers=headers)
    return Problem("validation_error", "The body could not be read as JSON.", headers=headers)


def problem_responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses for these codes."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(STATUS_TITLES[code][0].value, []).append(code)
    return {
        status: {
            "description": "\n".join(f"- `{code}`: {HELP[code].meaning}" for code in listed),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": f"#/components/schemas/{UploadsvcProblem.__name__}"},
                    "examples": {code: _example(code) for code in listed},
                }
            },
            **({"headers": _RATE_HEADERS} if "rate_limited" in listed else {}),
        }
        for status, listed in sorted(by_status.items())
    }


def register_problems(app: FastAPI) -> None:
    """Return the problem for an unknown path or method."""
    app.add_exception_handler(HTTPException, _http_error)


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = _BY_STATUS.get(error.status_code)
    if code is None:
        problem = body_problem(error)
        note_problem(problem.code)
        return problem.at(root_of(request.scope)).response()
    note_problem(code)
    details = {"not_found": "There is nothing at this address.", "method_not_allowed": "Not by this method."}
    headers = dict(error.headers or {})
    if code == "method_not_allowed":
        headers["Allow"] = ", ".join(_allowed(request))
    problem = Problem(code, details.get(code, str(error.detail)), headers=headers)
    return problem.at(root_of(request.scope)).response()


def _allowed(request: Request) -> list[str]:
    # RFC 9110 section 15.5.6: all methods of the path. The router has only those of the first route.
    routes = request.app.routes
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


def _field_name(location: tuple[int | str, ...]) -> str:
    # The name of an unknown field comes from the caller, with any length and characters.
    name = ".".join(str(part) for part in location[1:])[:MAX_FIELD_CHARACTERS] or "body"
    return name if name.isprintable() else ascii(name)[1:-1]


def _example(code: str) -> dict[str, Any]:
    members = {"quota": _EXAMPLE_QUOTA} if code == "quota_exceeded" else {}
    about, title = HELP[code], STATUS_TITLES[code][1]
    return {
        "summary": title,
        "description": f"**Cause.** {without_links(about.cause)}\n\n**Fix.** {without_links(about.fix)}",
        "value": Problem(code, f"{title}.", members=members).content(),
    }
