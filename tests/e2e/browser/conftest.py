"""A browser on the demo page of a running ``uploadsvc dev``."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
)
from tests.support.browser.demo_pages import DemoPage
from tests.support.browser.module_stage import Clock, Stage, stage
from tests.support.processes import demo
from tests.support.servers import S3Server, free_port
from tests.support.stores import s3

__all__ = ["s3"]


@pytest.fixture(scope="session")
async def demo_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Run ``uploadsvc dev``."""
    port = free_port()
    async with demo(tmp_path_factory.mktemp("demo"), port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def demo_page(browser: Browser, demo_url: str) -> AsyncIterator[DemoPage]:
    """Open the demo page as its first user; the browser's console must stay without an error."""
    errors: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            errors.append(message.text)

    context = await browser.new_context()
    context.set_default_timeout(30_000)
    page = await context.new_page()
    page.on("console", heard)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    async with httpx.AsyncClient(trust_env=False) as api, asyncio.timeout(60):
        await page.goto(demo_url)
        await page.get_by_role("radio", name="alice").wait_for(state="attached")
        yield DemoPage(page=page, base_url=demo_url, api=api)
    await context.close()
    assert errors == []


@pytest.fixture
def clock() -> Clock:
    """Return a clock for the service that can be set back."""
    return Clock()


@pytest.fixture
async def scene(s3: S3Server, context: BrowserContext, clock: Clock) -> AsyncIterator[Stage]:
    """Set the stage."""
    async with asyncio.timeout(60), stage(s3, context, clock) as scene:
        yield scene
