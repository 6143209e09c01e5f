"""A page with an uploader on one origin, the service on another, and a bucket that both know of."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

import httpx
from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request
from starlette.applications import Starlette
from starlette.requests import Request as AppRequest
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route as AppRoute
from tests.support.buckets import set_up
from tests.support.servers import S3Server
from tests.support.service import authorization, settings_for, token_for
from tests.support.stories.serving import served

from uploadsvc.app import create_app
from uploadsvc.settings import Settings

MIB: Final = 1024**2
_PAGE: Final = """<!doctype html>
<html lang="en">
<link rel="icon" href="data:,">
<title>An app</title>
<script type="module" src="/page.js"></script>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """All that takes part.

    Attributes:
        app: The page's origin.
        service: The service's origin.
        s3: The S3, with a bucket that nobody else uses.
        page: In the browser; its module has been run.
        requests: What the page asked for, of anybody; preflights are not among them.
        complaints: What its console told of as an error or a warning.
    """

    app: str
    service: str
    s3: S3Server
    page: Page
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def call(self, function: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the page gives
        """Call a function of the page's module, ``page.…``, and wait for what comes of it."""
        return await self.page.evaluate(f"(given) => page.{function}(...given)", list(arguments))

    async def ask(self, method: str, path: str, *, user: str = "alice", **more: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """Call the service by a program, as a user."""
        async with httpx.AsyncClient(
            base_url=self.service, headers=authorization(user), trust_env=False
        ) as http:
            return await http.request(method, path, **more)

    async def keys(self) -> list[str]:
        """Return what S3 itself holds."""
        async with self.s3.client() as client:
            listed = await client.list_objects_v2(Bucket=self.s3.bucket)
            return [entry["Key"] for entry in listed.get("Contents", [])]

    async def digest(self, key: str) -> str:
        """Return the SHA-256 of what S3 itself holds under a key."""
        async with self.s3.client() as client:
            found = await client.get_object(Bucket=self.s3.bucket, Key=key)
            return sha256(await found["Body"].read()).hexdigest()

    async def unfinished(self) -> list[str]:
        """Return the keys of the multipart uploads that S3 itself holds unfinished."""
        async with self.s3.client() as client:
            listed = await client.list_multipart_uploads(Bucket=self.s3.bucket)
            return [entry["Key"] for entry in listed.get("Uploads", [])]

    def sent_to(self, origin: str) -> list[str]:
        """Return what the page sent to an origin: method and path, without the query."""
        found = [one for one in self.requests if one.url.startswith(f"{origin}/")]
        return [f"{one.method} {one.url.removeprefix(origin).partition('?')[0]}" for one in found]


@asynccontextmanager
async def stage(
    server: S3Server,
    context: BrowserContext,
    *,
    script: bytes,
    config: Mapping[str, Any] | None = None,
    **sections: Any,  # noqa: ANN401 - settings of any kind
) -> AsyncIterator[Stage]:
    """Run the page and the service, and open the page.

    Args:
        server: Gets a bucket for this.
        context: Where the page is opened.
        script: The page's module, bundled.
        config: What ``/config`` tells the page besides ``service`` (an origin), ``bucket`` (its address) and
            ``token`` (of alice).
        sections: Sections of the service's settings, as for `settings_for`.
    """
    s3 = replace(server, bucket=await server.create_bucket())
    told: dict[str, Any] = {}
    async with served(_app(told, script)) as app:
        settings = settings_for(
            s3,
            **{
                "cors": {"allow_origins": [app]},
                # Uploaders also send what objects then carry.
                "events": {"push_secret": "the tests' own secret of the store, 32 bytes or more"},
                **sections,
            },
        )
        await set_up(s3, settings)
        async with served(create_app(Settings.model_validate(settings))) as service:
            address = f"{s3.endpoint_url}/{s3.bucket}"
            told.update(
                {"service": service, "bucket": address, "token": token_for("alice"), **(config or {})}
            )
            scene = Stage(app=app, service=service, s3=s3, page=await context.new_page())
            _listen(scene)
            await scene.page.goto(app)
            await scene.page.wait_for_function("document.title === 'ready'")
            yield scene


def _listen(scene: Stage) -> None:
    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            scene.complaints.append(message.text)

    # Playwright sets an attribute on what it is given, which a list's own `append` would not take.
    def asked(request: Request) -> None:
        scene.requests.append(request)

    scene.page.on("console", heard)
    scene.page.on("pageerror", lambda error: scene.complaints.append(f"error: {error}"))
    scene.page.on("request", asked)


def _app(config: dict[str, Any], script: bytes) -> Starlette:
    async def page(_request: AppRequest) -> Response:
        return HTMLResponse(_PAGE)

    async def told(_request: AppRequest) -> Response:
        return JSONResponse(config)

    async def module(_request: AppRequest) -> Response:
        return Response(script, media_type="text/javascript")

    return Starlette(routes=[AppRoute("/", page), AppRoute("/config", told), AppRoute("/page.js", module)])
