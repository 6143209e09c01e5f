"""A browser on the demo page of a running ``uploadsvc dev``."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    FilePayload,
    Locator,
    Page,
    async_playwright,
)
from tests.support.browser.module_stage import Clock, Stage, stage
from tests.support.processes import demo
from tests.support.servers import S3Server, free_port
from tests.support.stores import s3

__all__ = ["s3"]

_FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPage:
    """The page, and the API behind it as an independent witness.

    Attributes:
        page: In the browser.
        base_url: Where the service is.
        api: Speaks to the service, and to S3.
    """

    page: Page
    base_url: str
    api: httpx.AsyncClient

    def upload(self, name: str) -> Locator:
        """Find a file's row among the uploads."""
        return self.page.get_by_test_id("upload").filter(has_text=name)

    def object(self, name: str) -> Locator:
        """Find a file's row among the objects."""
        return self.page.get_by_test_id("object").filter(has_text=name)

    async def choose(self, *files: tuple[str, bytes], content_type: str = "text/plain") -> None:
        """Choose files by the page's own input."""
        await self.page.get_by_test_id("file-input").set_input_files(
            [FilePayload(name=name, mimeType=content_type, buffer=content) for name, content in files]
        )

    async def drop(self, name: str, content: bytes) -> None:
        """Drop a file onto the page."""
        transfer = await self.page.evaluate_handle(
            """([name, bytes]) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "text/plain" }));
                return transfer;
            }""",
            [name, list(content)],
        )
        zone = self.page.get_by_test_id("drop-zone")
        for event in ("dragover", "drop"):
            await zone.dispatch_event(event, {"dataTransfer": transfer})

    async def stored(self, user: str, name: str) -> list[bytes]:
        """Read what S3 holds of a user's files of this name, by download URLs."""
        users = (await self.api.get(f"{self.base_url}/demo/users")).json()["users"]
        (token,) = [entry["token"] for entry in users if entry["user"] == user]
        headers = {"Authorization": f"Bearer {token}"}
        listed = await self.api.get(f"{self.base_url}/v1/objects", params={"limit": 1000}, headers=headers)
        contents = []
        for key in (entry["key"] for entry in listed.json()["objects"]):
            if key.endswith(f"/{name}"):
                asked = await self.api.post(
                    f"{self.base_url}/v1/downloads", json={"key": key}, headers=headers
                )
                contents.append((await self.api.get(asked.json()["url"])).content)
        return contents


@pytest.fixture(scope="session")
async def demo_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Run ``uploadsvc dev``."""
    port = free_port()
    async with demo(tmp_path_factory.mktemp("demo"), port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    """Run the system's Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(chromium), args=_FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def demo_page(browser: Browser, demo_url: str) -> AsyncIterator[DemoPage]:
    """Open the demo page as its first user; the browser's console must stay without an error."""
    errors: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            errors.append(message.text)

    context = await browser.new_context()
    context.set_default_timeout(15_000)
    page = await context.new_page()
    page.on("console", heard)
    page.on("pageerror", lambda error: errors.append(str(error)))
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
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Give a test a profile of its own in the browser."""
    context = await browser.new_context()
    context.set_default_timeout(20_000)
    yield context
    await context.close()


@pytest.fixture
async def scene(s3: S3Server, context: BrowserContext, clock: Clock) -> AsyncIterator[Stage]:
    """Set the stage."""
    async with asyncio.timeout(60), stage(s3, context, clock) as scene:
        yield scene
