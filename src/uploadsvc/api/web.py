"""The browser module, and in demo mode the page that uses it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

from uploadsvc.auth.tokens import demo_token

DEMO_USERS: Final = ("alice", "bob")
DEMO_TOKEN_SECONDS: Final = 12 * 3600

_TYPES: Final = {"js": "text/javascript", "css": "text/css", "html": "text/html", "svg": "image/svg+xml"}
_MODULE: Final = "uploadsvc.js"
_PAGE: Final = ("demo.js", "demo.css")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """Demo mode.

    Attributes:
        key: Signs the demo users' tokens.
        storage_origin: Where the page sends bytes, for its content security policy.
        clock: The time now, aware.
    """

    key: bytes
    storage_origin: str
    clock: Callable[[], datetime]

    def token(self, user: str) -> str:
        """Return a fresh token of a demo user."""
        return demo_token(self.key, user=user, now=self.clock(), expires_in=DEMO_TOKEN_SECONDS)


def web_router(demo: Demo | None) -> APIRouter:
    """Return the routes of what browsers load; none of them is part of the documented API."""
    router = APIRouter(include_in_schema=False)
    served = (_MODULE, *_PAGE) if demo else (_MODULE,)

    @router.get("/web/{name}")
    async def web_file(name: str) -> Response:
        if name not in served:
            raise HTTPException(404)
        return _file(name)

    if demo is not None:
        _add_demo(router, demo)
    return router


def _add_demo(router: APIRouter, demo: Demo) -> None:
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
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


def _file(name: str, headers: dict[str, str] | None = None) -> Response:
    content = files("uploadsvc").joinpath("web", name).read_bytes()
    media_type = _TYPES[name.rpartition(".")[2]]
    return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache", **(headers or {})})
