"""How Uppy reads refusals, and what it says of a file."""

import json
from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Response

from uploadsvc.api.routing import ProblemRoute
from uploadsvc.domain.errors import ValidationFailed

MAX_BYTES: Final = 2**63 - 1


class UppyRoute(ProblemRoute):
    """A route whose problems have, beside their own members, the two that Companion's errors have."""

    def shaped(self, problem: Response) -> Response:
        """Return a problem with ``error`` and ``message`` in it."""
        content = json.loads(bytes(problem.body))
        told = {"error": content["code"], "message": content["detail"]}
        headers = {name: value for name, value in problem.headers.items() if name != "content-length"}
        return Response(json.dumps({**told, **content}), problem.status_code, headers=headers)


def uppy_router(*, prefix: str = "", documented: bool) -> APIRouter:
    """Return a router of such routes."""
    return APIRouter(prefix=prefix, tags=["uppy"], route_class=UppyRoute, include_in_schema=documented)


def form_url(url: str) -> str:
    """Return where a form is posted to, with a slash at its end.

    Uppy before 6.3 puts the key behind it; and since Uppy watches the progress, the browser asks first, which
    not every store answers at a bucket's address without one.
    """
    return f"{url.rstrip('/')}/"


def texts(metadata: Mapping[str, object]) -> dict[str, str]:
    """Return metadata as text: a page may have set numbers and truths; what is null or nested is left out."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in metadata.items()
        if isinstance(value, str | int | float)
    }


def bytes_of(metadata: Mapping[str, str], name: str) -> int | None:
    """Return a number of bytes that the page has set as metadata, or ``None``.

    Raises:
        ValidationFailed: It is none.
    """
    text = metadata.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= MAX_BYTES):
        detail = f"metadata.{name} must be a number of bytes."
        raise ValidationFailed(detail, field=f"metadata.{name}")
    return int(text[:20])
