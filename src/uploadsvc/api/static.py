"""Static files, with their content's hash as ETag, and the browser module."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response
from starlette.exceptions import HTTPException

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""For URLs that name their content's hash: a year, never revalidated (RFC 8246)."""

_TYPES: Final = {"js": "text/javascript", "css": "text/css", "html": "text/html", "svg": "image/svg+xml"}
_MODULE: Final = "uploadsvc.js"
_HASH_CHARACTERS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """A file with what a response needs.

    Attributes:
        content: The bytes.
        media_type: Their media type.
        version: Hash of the content.
    """

    content: bytes
    media_type: str
    version: str

    def response(
        self, *, version: str = "", if_none_match: str = "", headers: Mapping[str, str] | None = None
    ) -> Response:
        """Serve the file.

        Args:
            version: Hash that the caller asks for. If it is outdated, because the page was loaded before an
                upgrade, the current content is served, and caches must revalidate it.
            if_none_match: The caller's ``If-None-Match`` (RFC 9110 section 13.1.2).
            headers: Additional headers.
        """
        etag = f'"{self.version}"'
        all_headers = {
            "Cache-Control": IMMUTABLE if version == self.version else "no-cache",
            "ETag": etag,
            **(headers or {}),
        }
        # Compressing proxies weaken the tag; here weak and strong tags compare as equal.
        if etag in [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=all_headers)
        return Response(self.content, media_type=self.media_type, headers=all_headers)


def static_file(name: str, content: bytes | None = None, *, package: str = "uploadsvc.web") -> StaticFile:
    """Return a file of a package.

    Args:
        name: Its name.
        content: Its content, if it differs from the package's.
        package: The package that holds it.
    """
    if content is None:
        root, *folders = package.split(".")
        content = files(root).joinpath(*folders, name).read_bytes()
    return StaticFile(
        content=content,
        media_type=_TYPES[name.rpartition(".")[2]],
        version=sha256(content).hexdigest()[:_HASH_CHARACTERS],
    )


def file_router(prefix: str, served: Mapping[str, StaticFile]) -> APIRouter:
    """Return the routes of static files by name. They are not part of the documented API.

    With a file's hash in ``?v=``, caches may keep it forever.
    """
    router = APIRouter(include_in_schema=False)

    @router.get(f"{prefix}/{{name}}")
    async def file(name: str, v: str = "", if_none_match: Annotated[str, Header()] = "") -> Response:
        if name not in served:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return served[name].response(version=v, if_none_match=if_none_match)

    return router


def web_router(*names: str) -> APIRouter:
    """Return the route of the browser module, and of other files in ``web/``."""
    return file_router("/web", {name: static_file(name) for name in (_MODULE, *names)})
