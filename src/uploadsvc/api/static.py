"""The browser module, and in demo mode the page that uses it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
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
"""For what is asked for by its content: a year, as long as caches may keep anything (RFC 2616 section 14.21),
without a question meanwhile (RFC 8246)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """Demo mode.

    Attributes:
        tokens: Issues the demo users' tokens.
        storage_origin: Where the page sends bytes, for its content security policy.
        clock: The time now, aware.
    """

    tokens: ServiceTokens
    storage_origin: str
    clock: Callable[[], datetime]

    def token(self, user: str) -> str:
        """Return a fresh token of a demo user."""
        return self.tokens.issue(user, expires_at=self.clock() + timedelta(seconds=DEMO_TOKEN_SECONDS))


def web_router(demo: Demo | None) -> APIRouter:
    """Return the routes of what browsers load; none of them is part of the documented API."""
    router = APIRouter(include_in_schema=False)
    served = (_MODULE, *_PAGE) if demo else (_MODULE,)

    @router.get("/web/{name}")
    async def web_file(name: str, v: str = "", if_none_match: Annotated[str, Header()] = "") -> Response:
        """Serve a file; one that is asked for with its hash (``?v=``) may be kept for good."""
        if name not in served:
            raise HTTPException(404)
        return _file(name, version=v, known=if_none_match)

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
    name: str, headers: dict[str, str] | None = None, *, version: str = "", known: str = ""
) -> Response:
    """Serve a file under its content's hash.

    Args:
        name: Of a file in ``web/``.
        headers: More of them.
        version: The hash that the caller asks for. Another one than the content's gets the content all the
            same, but not for good: the page that asks is from before an upgrade.
        known: The caller's ``If-None-Match`` (RFC 9110 section 13.1.2).
    """
    content = files("uploadsvc").joinpath("web", name).read_bytes()
    digest = sha256(content).hexdigest()[:_HASH_CHARACTERS]
    etag = f'"{digest}"'
    kept = {
        "Cache-Control": IMMUTABLE if version == digest else "no-cache",
        "ETag": etag,
        **(headers or {}),
    }
    # Proxies that compress make a weak tag of it; for this header they count as the same.
    if etag in [tag.strip().removeprefix("W/") for tag in known.split(",")]:
        return Response(status_code=304, headers=kept)
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=kept)
