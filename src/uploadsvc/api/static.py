"""Static files: the browser module, and the demo page in demo mode."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from typing import Final, Self

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from uploadsvc.tokens.jwts import ServiceTokens

DEMO_USERS: Final = ("alice", "bob")
DEMO_TOKEN_SECONDS: Final = 12 * 3600

_TYPES: Final = {"js": "text/javascript", "css": "text/css", "html": "text/html", "svg": "image/svg+xml"}
_MODULE: Final = "uploadsvc.js"
_PAGE: Final = ("demo.js", "demo.css")
_PAGE_HTML: Final = "index.html"
_HASH_CHARACTERS: Final = 16
_READ: Final = ["GET", "HEAD"]

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
    served = {name: _StaticFile.read(name) for name in ((_MODULE, *_PAGE) if demo else (_MODULE,))}

    @router.api_route("/web/{name}", methods=_READ)
    async def web_file(request: Request, name: str, v: str = "") -> Response:
        """Serve a file. With its hash in ``?v=``, caches may keep it forever."""
        if name not in served:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return served[name].response(request, {}, version=v)

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

    html = _StaticFile.read(_PAGE_HTML)

    @router.api_route("/", methods=_READ)
    async def page(request: Request) -> Response:
        return html.response(request, {"Content-Security-Policy": policy})

    @router.get("/demo/users")
    async def users() -> dict[str, list[dict[str, str]]]:
        ends = (demo.clock() + timedelta(seconds=DEMO_TOKEN_SECONDS)).isoformat(timespec="seconds")
        return {
            "users": [{"user": user, "token": demo.token(user), "expires_at": ends} for user in DEMO_USERS]
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _StaticFile:
    """A file of ``web/``, read and compressed once.

    Attributes:
        media_type: Content type.
        digest: Start of the content's hash.
        content: Bytes by content coding: ``""`` as they are, or ``gzip``.
    """

    media_type: str
    digest: str
    content: dict[str, bytes]

    @classmethod
    def read(cls, name: str) -> Self:
        """Read a file in ``web/``."""
        content = files("uploadsvc").joinpath("web", name).read_bytes()
        return cls(
            media_type=_TYPES[name.rpartition(".")[2]],
            digest=sha256(content).hexdigest()[:_HASH_CHARACTERS],
            # Without a time in it, all replicas send the same bytes under the same ETag.
            content={"": content, "gzip": gzip.compress(content, mtime=0)},
        )

    def response(self, request: Request, headers: dict[str, str], *, version: str = "") -> Response:
        """Answer a GET or HEAD. The ETag is the content's hash and, if the content is compressed, the coding.

        Args:
            request: The request.
            headers: Additional headers.
            version: Hash that the caller asks for. If it is outdated, because the page was loaded before an
                upgrade, the current content is served, and caches must revalidate it.
        """
        coding = "gzip" if _takes_gzip(request.headers.get("accept-encoding", "")) else ""
        tags = {"": f'"{self.digest}"', "gzip": f'"{self.digest}-gzip"'}
        headers = {
            "Cache-Control": IMMUTABLE if version == self.digest else "no-cache",
            "ETag": tags[coding],
            "Vary": "Accept-Encoding",
            **headers,
        }
        # RFC 9110 section 13.1.2. Compressing proxies weaken the tag; weak and strong tags compare as equal.
        known = request.headers.get("if-none-match", "").split(",")
        if tags[coding] in [tag.strip().removeprefix("W/") for tag in known]:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if coding:
            headers["Content-Encoding"] = coding
        body = self.content[coding]
        if request.method == "HEAD":
            headers["Content-Length"] = str(len(body))
            body = b""
        return Response(body, media_type=self.media_type, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    """Return whether an ``Accept-Encoding`` (RFC 9110 section 12.5.3) allows gzip: not with weight 0."""
    weights: dict[str, bool] = {}
    for item in accepted.lower().split(","):
        coding, _, weight = item.partition(";")
        name, _, value = weight.strip().partition("=")
        weights[coding.strip()] = not (name == "q" and value.strip("0. ") == "")
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))
