"""The demo page, and the tokens of its users."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fastapi import APIRouter, Response

from uploadsvc.api.static import static_file
from uploadsvc.tokens.jwts import ServiceTokens

DEMO_USERS: Final = ("alice", "bob")
DEMO_TOKEN_SECONDS: Final = 12 * 3600
DEMO_FILES: Final = ("demo.js", "demo.css")


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


def demo_router(demo: Demo) -> APIRouter:
    """Return the routes of the demo page. They are not part of the documented API."""
    router = APIRouter(include_in_schema=False)
    page = static_file("index.html")
    policy = (
        "default-src 'none'; script-src 'self'; worker-src blob:; style-src 'self'; "
        "img-src 'self' data: blob:; "
        f"connect-src 'self' {demo.storage_origin}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    @router.get("/")
    async def show_page() -> Response:
        return page.response(headers={"Content-Security-Policy": policy})

    @router.get("/demo/users")
    async def users() -> dict[str, list[dict[str, str]]]:
        ends = (demo.clock() + timedelta(seconds=DEMO_TOKEN_SECONDS)).isoformat(timespec="seconds")
        return {
            "users": [{"user": user, "token": demo.token(user), "expires_at": ends} for user in DEMO_USERS]
        }

    return router
