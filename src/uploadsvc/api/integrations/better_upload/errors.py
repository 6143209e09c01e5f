"""Errors as Better Upload's client reads them: ``{"error": {"type": …, "message": …}}``."""

import json
from collections.abc import Mapping
from typing import Final, Literal

from fastapi import Response

from uploadsvc.api.routing import ProblemRoute

RefusalType = Literal["invalid_request", "too_many_files", "file_too_large", "invalid_file_type", "rejected"]

_TYPES: Final[Mapping[str, RefusalType]] = {
    "file_too_large": "file_too_large",
    "content_type_not_allowed": "invalid_file_type",
    "content_type_required": "invalid_file_type",
    "unauthenticated": "rejected",
    "forbidden": "rejected",
    "not_found": "rejected",
    "policy_not_found": "rejected",
}
_KEPT_HEADERS: Final = ("retry-after", "www-authenticate")


class BetterUploadRoute(ProblemRoute):
    """A route whose problems have the client's own shape, and their own status."""

    def shaped(self, problem: Response) -> Response:
        """Return a problem as the client reads it; its detail is the message that a user sees."""
        content = json.loads(bytes(problem.body))
        headers = {name: problem.headers[name] for name in _KEPT_HEADERS if name in problem.headers}
        return refusal(
            _TYPES.get(content["code"], "invalid_request"),
            content["detail"],
            status=problem.status_code,
            headers=headers,
        )


def refusal(
    kind: RefusalType, message: str, *, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error as a response.

    Args:
        kind: What the client's error has for a type.
        message: One sentence for people.
        status: The HTTP status.
        headers: Besides the media type.
    """
    content = {"error": {"type": kind, "message": message}}
    return Response(json.dumps(content), status, media_type="application/json", headers=headers)
