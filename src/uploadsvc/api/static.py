"""Static files, with the hash of their content as ETag, and the browser module."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""For URLs with the hash of the content: a year, without revalidation (RFC 8246)."""

READ: Final = ["GET", "HEAD"]
"""Methods of the routes of files."""

_TYPES: Final = {"js": "text/javascript", "css": "text/css", "html": "text/html", "svg": "image/svg+xml"}
_MODULES: Final = ("uploadsvc.js", "queue.js", "dropzone.js")
_HASH_CHARACTERS: Final = 16


@dataclass(frozen=True, kw_only=True)
class StaticFile:
    """A file, read once and compressed on first use.

    Attributes:
        content: Its bytes.
        media_type: Their media type.
        version: Hash of the content.
    """

    content: bytes
    media_type: str
    version: str

    @cached_property
    def compressed(self) -> bytes:
        """The gzipped content, without a timestamp, so that all replicas send the same bytes for an ETag."""
        return gzip.compress(self.content, mtime=0)

    def response(
        self, request: Request, *, version: str = "", headers: Mapping[str, str] | None = None
    ) -> Response:
        """Respond to a GET or HEAD. The ETag is the hash of the content, plus the coding if compressed.

        Args:
            request: The request.
            version: Requested hash. If it is outdated, because the page was loaded before an upgrade, the
                current content is served, and caches must revalidate it.
            headers: Additional headers.
        """
        coding = "gzip" if _takes_gzip(request.headers.get("accept-encoding", "")) else ""
        etag = f'"{self.version}-gzip"' if coding else f'"{self.version}"'
        all_headers = {
            "Cache-Control": IMMUTABLE if version == self.version else "no-cache",
            "ETag": etag,
            "Vary": "Accept-Encoding",
            **(headers or {}),
        }
        # RFC 9110 section 13.1.2. Compressing proxies weaken the tag, so weak and strong tags compare as
        # equal.
        known = request.headers.get("if-none-match", "").split(",")
        if etag in [tag.strip().removeprefix("W/") for tag in known]:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=all_headers)
        if coding:
            all_headers["Content-Encoding"] = coding
        body = self.compressed if coding else self.content
        if request.method == "HEAD":
            all_headers["Content-Length"] = str(len(body))
            body = b""
        return Response(body, media_type=self.media_type, headers=all_headers)


def static_file(name: str, content: bytes | None = None, *, package: str = "uploadsvc.web") -> StaticFile:
    """Load a file of a package.

    Args:
        name: Its name.
        content: Content to use instead of the package's.
        package: The package.
    """
    if content is None:
        content = read_file(name, package=package)
    return StaticFile(
        content=content,
        media_type=_TYPES[name.rpartition(".")[2]],
        version=sha256(content).hexdigest()[:_HASH_CHARACTERS],
    )


def read_file(name: str, *, package: str = "uploadsvc.web") -> bytes:
    """Read a file of a package."""
    root, *folders = package.split(".")
    return files(root).joinpath(*folders, name).read_bytes()


def file_router(prefix: str, served: Mapping[str, StaticFile]) -> APIRouter:
    """Return routes for static files, by name. They are not in the OpenAPI document.

    With its hash in ``?v=``, caches can keep a file for good.
    """
    router = APIRouter(include_in_schema=False)

    # In a thread, because compressing Swagger UI takes as long as signing hundreds of uploads.
    @router.api_route(f"{prefix}/{{name}}", methods=READ)
    def file(request: Request, name: str, v: str = "") -> Response:
        if name not in served:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return served[name].response(request, version=v)

    return router


def web_router(*names: str) -> APIRouter:
    """Return the routes of the browser module and other files in ``web/``."""
    return file_router("/web", {name: static_file(name) for name in (*_MODULES, *names)})


def _takes_gzip(accepted: str) -> bool:
    """Return whether an ``Accept-Encoding`` (RFC 9110 section 12.5.3) allows gzip: not with weight 0."""
    weights: dict[str, bool] = {}
    for item in accepted.lower().split(","):
        coding, _, weight = item.partition(";")
        name, _, value = weight.strip().partition("=")
        weights[coding.strip()] = not (name == "q" and value.strip("0. ") == "")
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))
