"""The demo page mounted under a path of another app."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
from fastapi import FastAPI
from playwright.async_api import BrowserContext
from tests.support.browser.demo_pages import DemoPage
from tests.support.buckets import set_up
from tests.support.servers import S3Server
from tests.support.service import settings_for
from tests.support.stories.serving import served

from uploadsvc.app import create_app
from uploadsvc.settings import Settings


@asynccontextmanager
async def mounted(server: S3Server) -> AsyncIterator[str]:
    """Serve an app with the service in demo mode under a path, and give the page's address."""
    s3 = replace(server, bucket=await server.create_bucket())
    inner = create_app(Settings.model_validate(settings_for(s3, demo=True, auth={"jwt": {}})))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with inner.router.lifespan_context(inner):
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount("/files", inner)
    async with served(app) as origin:
        await set_up(s3, settings_for(s3, cors={"allow_origins": [origin]}))
        yield f"{origin}/files"


async def test_the_demo_page_works_under_a_path(seaweedfs: S3Server, context: BrowserContext) -> None:
    """Also without the trailing slash, where the app redirects. Every request stays under the path."""
    async with mounted(seaweedfs) as url, httpx.AsyncClient(trust_env=False) as api, asyncio.timeout(60):
        page = await context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(url)
        await page.get_by_role("radio", name="alice").wait_for(state="attached")
        demo = DemoPage(page=page, base_url=url, api=api)
        await demo.choose(("note.txt", b"under a path"))
        await demo.object("note.txt").wait_for()
        assert await demo.stored("alice", "note.txt") == [b"under a path"]
        assert asked[:2] == [url, f"{url}/"]
        origin = url.removesuffix("/files")
        beside = [one for one in asked[1:] if one.startswith(origin) and not one.startswith(f"{url}/")]
        assert beside == []
        for link in ("documentation", "OpenAPI document"):
            address = await page.get_by_role("link", name=link).evaluate("(link) => link.href")
            assert address.startswith(f"{url}/")
            assert (await api.get(address)).status_code == 200
        # It follows the events, and the server would wait for it.
        await page.close()
