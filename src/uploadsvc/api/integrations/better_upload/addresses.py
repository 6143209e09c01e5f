"""Where callers reach these routes."""

from typing import Final
from urllib.parse import quote

from fastapi import Request

from uploadsvc.domain.endpoints import base_url
from uploadsvc.domain.errors import ValidationFailed

PREFIX: Final = "/better-upload"


def own_address(request: Request, *, public_url: str | None) -> str:
    """Return the absolute URL of these routes: the operator's, else the one by which this caller came.

    Args:
        request: The caller's, to ``PREFIX`` itself.
        public_url: Where callers reach the service, if the settings say so; without a slash at its end.

    Raises:
        ValidationFailed: The caller came by a ``Host`` that cannot stand in a URL.
    """
    if public_url is not None:
        return public_url + PREFIX
    scope = request.scope
    root, path = scope.get("root_path", ""), scope["path"]
    # A mount leaves its prefix in the path; a proxy that strips one does not.
    whole = path if path.startswith(f"{root}/") else root + path
    return _origin(scope["scheme"], request.headers.get("host", "")) + quote(whole)


def _origin(scheme: str, host: str) -> str:
    try:
        if "/" not in host:
            return base_url(f"{scheme}://{host}", name="Host")
    except ValueError:
        pass
    detail = "The request's Host is not a host name or IP address, with at most a port."
    raise ValidationFailed(detail, field="Host")
