"""Static files: the browser module, and the demo page in demo mode."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response
from starlette.exceptions import HTTPException

from uploadsvc.tokens.jwts import ServiceTokens

DEMO_USERS: Final = ("alice", "bob")
DEMO_TOKEN_SECONDS: Final = 12 * 3600

_TYPES: Final = {"js": "text/javascript", "css": "text/css", "html": "text/html", "svg": "image/svg+xml"}
_MODULE: Final = "uploadsvc.js"
_PAGE: Final = ("demo.js", "demo.css")
_HASH_CHARACTERS: Final = 16

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""For URLs that name their content's hash: a year, never revalidated (RFC 8246)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """Demo mode.

    Attributes:
        tokens: Issues the demo users' tokens.
        storage_origin: Origin of the object store, for the page's content security policy.
        clock: Returns the current time, aware.
    """

    tokens: ServiceTokens
    storage_origin: str
    clock: Callable[[], datetime]

    def token(self, user: str) -> str:
        """Issue a token for a demo user."""
        return self.tokens.issue(user, expires_at=self.clock() + timedelta(seconds=DEMO_TOKEN_SECONDS))


def web_router(demo: Demo | None) -> APIRouter:
    """Return the routes of static files. They are not part of the documented API."""
    router = APIRouter(include_in_schema=False)
    served = (_MODULE, *_PAGE) if demo else (_MODULE,)

    @router.get("/web/{name}")
    async def web_file(name: str, v: str = "", if_none_match: Annotated[str, Header()] = "") -> Response:
        """Serve a file. With its hash in ``?v=``, caches may keep it forever."""
        if name not in served:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return _file(name, version=v, if_none_match=if_none_match)

    if demo is not None:
        _add_demo(router, demo)
    return router


def _add_demo(router: APIRouter, demo: Demo) -> None:
    policy = (
        "default-src 'none'; script-src 'self'; worker-src blob:; style-src 'self'; "
        "img-src 'self' data: blob:; "
        f"connect-src 'self' {demo.storage_origin}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    @router.get("/")
    async def page() -> Response:
        return _file("index.html", {"Content-Security-Policy": policy})

    @router.get("/demo/users")
    async def users() -> dict[str, list[dict[str, str]]]:
        ends = (demo.clock() + timedelta(seconds=DEMO_TOKEN_SECONDS)).isoformat(timespec="seconds")
        return {
            "users": [{"user": user, "token": demo.token(user), "expires_at": ends} for user in DEMO_USERS]
        }


def _file(
    name: str, headers: dict[str, str] | None = None, *, version: str = "", if_none_match: str = ""
) -> Response:
    """Serve a file with its content's hash as ETag.

    Args:
        name: A file in ``web/``.
        headers: Additional headers.
        version: Hash that the caller asks for. If it is outdated, because the page was loaded before an
            upgrade, the current content is served, and caches must revalidate it.
        if_none_match: The caller's ``If-None-Match`` (RFC 9110 section 13.1.2).
    """
    content = files("uploadsvc").joinpath("web", name).read_bytes()
    digest = sha256(content).hexdigest()[:_HASH_CHARACTERS]
    etag = f'"{digest}"'
    all_headers = {
        "Cache-Control": IMMUTABLE if version == digest else "no-cache",
        "ETag": etag,
        **(headers or {}),
    }
    # Compressing proxies weaken the tag; here weak and strong tags compare as equal.
    if etag in [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=all_headers)
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=all_headers)
