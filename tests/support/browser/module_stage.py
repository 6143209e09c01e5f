"""The browser module on a page of another origin, over lines to the service and S3 that tests can break."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.async_api import BrowserContext, ConsoleMessage, Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from tests.support.buckets import set_up
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.servers import ROOT, S3Server
from tests.support.service import authorization, settings_for, token_for
from tests.support.stories.serving import served

from uploadsvc.app import create_app
from uploadsvc.settings import Settings

MIB: Final = 1024**2
PART_SIZE: Final = 5 * MIB
"""Bytes; the least that S3 takes."""

MODULE: Final = ROOT / "src" / "uploadsvc" / "web" / "uploadsvc.js"
_DRIVER: Final = ROOT / "tests" / "support" / "browser" / "module_page.js"
_PAGE: Final = """<!doctype html>
<html lang="en">
<link rel="icon" href="data:,">
<title>An app</title>
<input type="file">
<script type="module" src="/module_page.js"></script>
"""

POLICIES: Final[dict[str, dict[str, Any]]] = {
    "default": {"part_size": PART_SIZE, "multipart_threshold": PART_SIZE, "client_keys": True},
    "parts": {"part_size": PART_SIZE, "methods": ["multipart"]},
    "paths": {"part_size": PART_SIZE, "methods": ["multipart"], "key": "{uuid}/{path}{filename}"},
    "put": {"methods": ["put"]},
    "small": {"max_size": 1000},
}


@dataclass(slots=True)
class Clock:
    """The service's time, which may be behind that of everybody else."""

    behind: timedelta = timedelta()

    def __call__(self) -> datetime:
        """Tell the time."""
        return datetime.now(UTC) - self.behind


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """A page with the module in it.

    Attributes:
        page: In the browser.
        complaints: What its console told of as an error or a warning.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)

    async def begin(
        self, size: int, options: dict[str, Any] | None = None, about: dict[str, Any] | None = None
    ) -> None:
        """Start to upload a file of so many made-up bytes."""
        call = "([size, options, about]) => { page.upload(size, options ?? {}, about ?? {}); }"
        await self.page.evaluate(call, [size, options, about])

    async def over(self) -> dict[str, Any]:
        """Wait until the upload has ended, and return how."""
        result: dict[str, Any] = await self.page.evaluate("told.over.then(() => told.result)")
        return result

    async def stored(self) -> dict[str, Any]:
        """Wait until the upload is stored, and return its object."""
        result = await self.over()
        assert "completed" in result, result
        stored: dict[str, Any] = result["completed"]["object"]
        return stored

    async def failed(self) -> str:
        """Wait until the upload has failed, and return the error's code."""
        result = await self.over()
        assert "failed" in result, result
        assert result["failed"]["name"] == "UploadError"
        return str(result["failed"]["code"])

    async def until(self, condition: str) -> None:
        """Wait until something holds in the page."""
        await self.page.wait_for_function(condition)

    async def told(self, what: str) -> Any:  # noqa: ANN401 - whatever the page tells
        """Return what the module told: ``states``, ``progress`` or ``retries``."""
        return await self.page.evaluate(f"told.{what}")

    async def digest(self) -> str:
        """Return the SHA-256 of the file that is uploaded."""
        return str(await self.page.evaluate("page.digest(file)"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """All that takes part.

    Attributes:
        app: The page's origin.
        s3: The S3, with a bucket that nobody else uses.
        line: Between the browser and S3; the service has a line of its own.
        service: Between the browser and the service.
        clock: The service's.
        context: The browser's profile.
        csp: The page's content security policy, for tabs that are opened after it was set.
    """

    app: str
    s3: S3Server
    line: FaultProxy
    service: FaultProxy
    clock: Clock
    context: BrowserContext
    csp: list[str]

    async def open(self) -> Tab:
        """Open the page in a new tab."""
        tab = Tab(page=await self.context.new_page())

        def heard(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                tab.complaints.append(message.text)

        tab.page.on("console", heard)
        tab.page.on("pageerror", lambda error: tab.complaints.append(f"error: {error}"))
        await tab.page.goto(self.app)
        await tab.until("document.title === 'ready'")
        return tab

    async def digest(self, key: str) -> str:
        """Return the SHA-256 of what S3 itself holds under a key."""
        async with self.s3.client() as client:
            found = await client.get_object(Bucket=self.s3.bucket, Key=key)
            return sha256(await found["Body"].read()).hexdigest()

    async def keys(self) -> list[str]:
        """Return what S3 itself holds."""
        async with self.s3.client() as client:
            listed = await client.list_objects_v2(Bucket=self.s3.bucket)
            return [entry["Key"] for entry in listed.get("Contents", [])]

    async def ask(self, method: str, path: str) -> httpx.Response:
        """Call the service as the page's user, by a program."""
        headers = authorization("alice")
        async with httpx.AsyncClient(base_url=self.service.url, headers=headers, trust_env=False) as http:
            return await http.request(method, path)

    async def unfinished(self) -> list[dict[str, Any]]:
        """Return the user's multipart uploads that S3 still holds parts of."""
        listed: list[dict[str, Any]] = (await self.ask("GET", "/v1/uploads")).json()["uploads"]
        return listed

    def calls(self) -> list[str]:
        """Return what the page asked the service, without ids."""
        asked = [one for one in self.service.exchanges if one.method != "OPTIONS" and "origin" in one.headers]
        return [f"{one.method} {_without_id(one.target)}" for one in asked]


def _without_id(target: str) -> str:
    parts = target.split("/")
    return "/".join([*parts[:3], *(["…", *parts[4:]] if len(parts) > 3 else [])])


@asynccontextmanager
async def stage(
    server: S3Server, context: BrowserContext, clock: Clock, *, delete: bool = False
) -> AsyncIterator[Stage]:
    """Run the page, the service and the lines between them.

    Args:
        server: Gets a bucket for this.
        context: Where tabs are opened.
        clock: The clock of the service.
        delete: Whether callers may delete their objects.
    """
    csp: list[str] = []
    config: dict[str, str] = {}
    s3 = replace(server, bucket=await server.create_bucket())
    async with served(_app(config, csp)) as app, fault_proxy(s3.endpoint_url) as line:
        settings = settings_for(
            s3,
            s3={"public_endpoint_url": line.url},
            cors={"allow_origins": [app]},
            policies=POLICIES,
            objects={"delete": delete},
        )
        await set_up(s3, settings)
        async with (
            served(create_app(Settings.model_validate(settings), clock=clock)) as origin,
            fault_proxy(origin) as service,
        ):
            config["service"] = service.url
            yield Stage(app=app, s3=s3, line=line, service=service, clock=clock, context=context, csp=csp)


def _app(config: dict[str, str], csp: list[str]) -> Starlette:
    async def page(_request: Request) -> Response:
        return HTMLResponse(_PAGE, headers={"Content-Security-Policy": csp[-1]} if csp else None)

    async def told(_request: Request) -> Response:
        return JSONResponse(config)

    async def token(_request: Request) -> Response:
        return PlainTextResponse(token_for("alice"))

    return Starlette(
        routes=[
            Route("/", page),
            Route("/config", told),
            Route("/token", token, methods=["POST"]),
            Route("/module_page.js", _javascript(_DRIVER)),
            Route("/uploadsvc.js", _javascript(MODULE)),
        ]
    )


def _javascript(path: Path) -> Any:  # noqa: ANN401 - as Starlette's own type of an endpoint
    content = path.read_bytes()

    async def file(_request: Request) -> Response:
        return Response(content, media_type="text/javascript")

    return file
