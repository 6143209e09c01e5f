"""What serves a single-page app: its page, its user's tokens, and a backend that checks receipts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from tests.support.identity_provider import IdentityProvider
from tests.support.servers import ROOT
from tests.support.stories.second_service import checked

COOKIE: Final = "session"

_PAGE: Final = """<!doctype html>
<html lang="en">
<link rel="icon" href="data:,">
<title>An app</title>
<input type="file" disabled>
<ul></ul>
<script type="module" src="/single_page_app.js"></script>
"""

_FORM: Final = """<!doctype html>
<html lang="en">
<link rel="icon" href="data:,">
<title>A form</title>
<form method="post" action="{action}"><button>Go on</button></form>
"""

_JAVASCRIPT: Final = {
    "single_page_app.js": ROOT / "tests" / "support" / "stories" / "single_page_app.js",
    "uploadsvc.js": ROOT / "src" / "uploadsvc" / "web" / "uploadsvc.js",
}


@dataclass(slots=True, kw_only=True)
class SinglePageApp:
    """An app and its backend.

    Attributes:
        provider: Signs its user's tokens.
        user: Who is signed in.
        signed_in_by: How the service learns who that is.
        cookie_attributes: Of the cookie, such as ``; SameSite=Lax``.
        module: Where the page loads the client from; its own copy by default.
        service: Where uploadsvc is.
        receipt_keys: The JWK Set that its backend checks receipts with.
        issued: All tokens that it has handed out.
        receipts: The claims of all receipts that its backend has believed.
    """

    provider: IdentityProvider
    user: str
    signed_in_by: Literal["token", "cookie"] = "token"
    cookie_attributes: str = ""
    module: str = "/uploadsvc.js"
    service: str = ""
    receipt_keys: Mapping[str, Any] = field(default_factory=dict)
    issued: list[str] = field(default_factory=list)
    receipts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        """It, as an ASGI app."""
        return Starlette(
            routes=[
                Route("/", self._page),
                Route("/config", self._config),
                Route("/token", self._hand_out, methods=["POST"]),
                Route("/receipts", self._check, methods=["POST"]),
                Route("/form", self._form),
                *(Route(f"/{name}", _javascript(path)) for name, path in _JAVASCRIPT.items()),
            ]
        )

    def _token(self) -> str:
        self.issued.append(self.provider.token(self.user))
        return self.issued[-1]

    async def _page(self, _request: Request) -> Response:
        page = HTMLResponse(_PAGE)
        if self.signed_in_by == "cookie":
            page.headers["Set-Cookie"] = f"{COOKIE}={self._token()}; Path=/; HttpOnly{self.cookie_attributes}"
        return page

    async def _config(self, _request: Request) -> Response:
        return JSONResponse({"service": self.service, "module": self.module, "signedInBy": self.signed_in_by})

    async def _hand_out(self, _request: Request) -> Response:
        return PlainTextResponse(self._token())

    async def _check(self, request: Request) -> Response:
        try:
            self.receipts.append(checked((await request.body()).decode(), self.receipt_keys))
        except jwt.InvalidTokenError as error:
            return PlainTextResponse(str(error), status_code=403)
        return Response(status_code=204)

    async def _form(self, request: Request) -> Response:
        """A page that posts a form, without a body, to wherever its address says."""
        return HTMLResponse(_FORM.format(action=request.query_params["action"]))


def _javascript(path: Path) -> Any:  # noqa: ANN401 - as Starlette's own type of an endpoint
    content = path.read_bytes()

    async def file(_request: Request) -> Response:
        return Response(content, media_type="text/javascript")

    return file
