"""The demo page, its tokens and its events, protected from other machines and pages."""

import json
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, get_args
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import StreamingResponse

from uploadsvc.api.routing import ProblemRoute
from uploadsvc.api.static import READ, file_router, static_file
from uploadsvc.domain.errors import Forbidden
from uploadsvc.domain.hosts import host_name, is_loopback
from uploadsvc.events.recent import RecentEvent, RecentEvents
from uploadsvc.tokens.jwts import ServiceTokens

_User = Literal["alice", "bob"]
DEMO_USERS: Final[tuple[str, ...]] = get_args(_User)
DEMO_TOKEN_SECONDS: Final = 12 * 3600
DEMO_FILES: Final = ("demo.js", "demo.css")
_PARTS: Final = (
    "curl.js",
    "events.js",
    "happened.js",
    "objects.js",
    "offers.js",
    "page.js",
    "policies.js",
    "receipts.js",
    "recorder.js",
    "users.js",
    "words.js",
)
"""Modules that ``demo.js`` imports from ``demo/``."""

_FORWARDED: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""Headers that proxies add to the requests that they forward."""

_OWN: Final = {"Cross-Origin-Resource-Policy": "same-origin"}
"""Blocks other pages from reading a response, even if CORS allows all origins."""

_CLOSED: Final = (
    "The demo answers only this machine, at localhost, and others at the hosts in UPLOADSVC_DEMO_HOSTS."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """Demo mode.

    Attributes:
        tokens: Issues the demo users' tokens.
        storage_origin: Origin of the store, for the page's content security policy.
        hosts: Hosts at which other machines can open the demo, as `host_name` returns them.
        clock: Returns the current time, aware.
        events: Receives the demo users' events.
    """

    tokens: ServiceTokens
    storage_origin: str
    hosts: Collection[str]
    clock: Callable[[], datetime]
    events: RecentEvents

    def token(self, user: str) -> str:
        """Issue a token for a demo user."""
        return self.tokens.issue(user, expires_at=self.clock() + timedelta(seconds=DEMO_TOKEN_SECONDS))

    async def check(self, request: Request) -> None:
        """Check the ``Host`` of a request and, without public hosts, its sender.

        Any name can point to this machine (DNS rebinding), any program can send any ``Host``, and a proxy on
        this machine can replace it.

        Raises:
            Forbidden: The request may come from another machine, or is for another host.
        """
        sent = request.headers.getlist("host")
        host = host_name(sent[0]) if len(sent) == 1 else None
        if host is None or not (is_loopback(host) or host in self.hosts):
            raise Forbidden(_CLOSED, field="Host")
        if self.hosts:
            return
        forwarded = any(name in request.headers for name in _FORWARDED)
        if forwarded or not (request.client and is_loopback(request.client.host)):
            raise Forbidden(_CLOSED)


def demo_router(demo: Demo) -> APIRouter:
    """Return the routes of the demo page. They are not part of the documented API."""
    router = APIRouter(include_in_schema=False, route_class=ProblemRoute, dependencies=[Depends(demo.check)])
    page = static_file("index.html")
    policy = (
        "default-src 'none'; script-src 'self'; worker-src blob:; style-src 'self'; "
        "img-src 'self' data: blob:; "
        f"connect-src 'self' {demo.storage_origin}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    @router.api_route("/", methods=READ)
    async def show_page(request: Request) -> Response:
        return page.response(request, headers={"Content-Security-Policy": policy})

    @router.get("/demo/users", dependencies=[Depends(_check_page)])
    async def users(response: Response) -> dict[str, list[dict[str, str]]]:
        response.headers.update(_OWN)
        ends = (demo.clock() + timedelta(seconds=DEMO_TOKEN_SECONDS)).isoformat(timespec="seconds")
        return {
            "users": [{"user": user, "token": demo.token(user), "expires_at": ends} for user in DEMO_USERS]
        }

    @router.get("/demo/events", dependencies=[Depends(_check_page)])
    async def events(user: _User, last_event_id: Annotated[str | None, Header()] = None) -> StreamingResponse:
        found = demo.events.follow(user, after=last_event_id)
        return StreamingResponse(_messages(found), media_type="text/event-stream", headers=_OWN)

    parts = {name: static_file(name, package="uploadsvc.web.demo") for name in _PARTS}
    router.include_router(file_router("/web/demo", parts))
    return router


async def _messages(events: AsyncIterator[RecentEvent]) -> AsyncIterator[str]:
    """Yield events as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    On reconnection, the browser sends the id of the last one.
    """
    # Until the first byte, the browser does not know that it is connected.
    yield ":\n\n"
    async for event in events:
        yield f"id: {event.id}\ndata: {json.dumps({'id': event.id, **event.content})}\n\n"


async def _check_page(request: Request) -> None:
    """Check that the request does not come from a page of another origin, not even one that may call the API.

    Raises:
        Forbidden: It does.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host", "").lower()
    if foreign or site not in {None, "same-origin", "none"}:
        detail = "Only the demo page itself can get its users' tokens and events."
        raise Forbidden(detail)
