"""Error format, form URLs and metadata of Uppy's protocols."""

import json
from collections.abc import Mapping

from fastapi import APIRouter, Response

from uploadsvc.api.openapi_types import MAX_BYTES
from uploadsvc.api.problems import MEDIA_TYPE, Problem
from uploadsvc.api.routing import ProblemRoute
from uploadsvc.domain.errors import ValidationFailed


class UppyRoute(ProblemRoute):
    """A route with problems that also have the members of Companion's errors, ``error`` and ``message``."""

    def render(self, problem: Problem) -> Response:
        """Return a problem with Companion's members."""
        body = {"error": problem.code, "message": problem.detail, **problem.content()}
        headers = dict(problem.headers)
        return Response(json.dumps(body), problem.status, media_type=MEDIA_TYPE, headers=headers)


def uppy_router(*, prefix: str = "", documented: bool) -> APIRouter:
    """Return a router with `UppyRoute` as its route class."""
    return APIRouter(prefix=prefix, tags=["uppy"], route_class=UppyRoute, include_in_schema=documented)


def form_url(url: str) -> str:
    """Return the URL of a form with a trailing slash.

    Uppy before 6.3 appends the key. Because Uppy also reports progress, the browser sends a preflight, which
    some stores answer at a bucket's URL only with a slash.
    """
    return f"{url.rstrip('/')}/"


def text_metadata(metadata: Mapping[str, object]) -> dict[str, str]:
    """Convert metadata to text. Pages may set numbers and booleans; null and nested values are dropped."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in metadata.items()
        if isinstance(value, str | int | float)
    }


def size_in(metadata: Mapping[str, str], name: str) -> int | None:
    """Return the size in bytes that the page has set as metadata, or ``None``.

    Raises:
        ValidationFailed: It is not a number of bytes.
    """
    text = metadata.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= MAX_BYTES):
        detail = f"metadata.{name} must be a number of bytes."
        raise ValidationFailed(detail, field=f"metadata.{name}")
    return int(text[:20])
