"""The demo page over an S3 whose line can be broken, held and mended, in windows of any kind."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx
from playwright.async_api import Browser, FilePayload, Locator, Page
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.processes import environment_for, program
from tests.support.servers import S3Server, free_port

MIB: Final = 1024**2
_TIMEOUT: Final = 30_000  # milliseconds
PART_SIZE: Final = 5 * MIB
"""Bytes; the least that S3 takes."""

POLICIES: Final = {
    "default": {"max_size": "20MiB", "multipart_threshold": PART_SIZE, "part_size": PART_SIZE},
    "pictures": {"max_size": "1MiB", "content_types": ["image/png", "image/jpeg"]},
    "folders": {"client_keys": True},
    "forms": {"methods": ["post"]},
    "paths": {"key": "{uuid}/{path}{filename}", "multipart_threshold": PART_SIZE, "part_size": PART_SIZE},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoService:
    """A service in demo mode.

    Attributes:
        url: Where it is.
        line: Between browsers and S3; the service has a line of its own.
    """

    url: str
    line: FaultProxy


@asynccontextmanager
async def demo_service(
    server: S3Server, directory: Path, *, prefix: str = "uploads"
) -> AsyncIterator[DemoService]:
    """Run ``uploadsvc serve`` in demo mode, with parts and limits so small that tests are quick.

    Args:
        server: The S3 server.
        directory: Of the process.
        prefix: Of all keys.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with fault_proxy(server.endpoint_url) as line:
        environment = environment_for(
            server,
            UPLOADSVC_S3__PROVIDER=server.name,
            UPLOADSVC_S3__PUBLIC_ENDPOINT_URL=line.url,
            UPLOADSVC_POLICIES=json.dumps(POLICIES),
            UPLOADSVC_OBJECTS__DELETE="true",
            UPLOADSVC_CORS__ALLOW_ORIGINS=json.dumps([url]),
            UPLOADSVC_DEMO="true",
            UPLOADSVC_KEY_PREFIX=prefix,
            UPLOADSVC_AUTH__JWT__SECRET="",
        )
        arguments = ("serve", "--port", str(port))
        async with program(*arguments, directory=directory, environment=environment) as service:
            await service.answers(f"{url}/healthz")
            yield DemoService(url=url, line=line)


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

    def part(self, name: str) -> Locator:
        """Find the parts of this name in the list of uploads."""
        return self.page.locator(f"uploadsvc-dropzone [part~={name}]")

    def upload(self, name: str) -> Locator:
        """Find a file's row among the uploads."""
        return self.part("row").filter(has_text=name)

    def object(self, name: str) -> Locator:
        """Find a file's row among the objects."""
        return self.page.get_by_test_id("object").filter(has_text=name)

    async def choose(self, *files: tuple[str, bytes], content_type: str = "text/plain") -> None:
        """Choose files by the page's own input."""
        await self.part("input").set_input_files(
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
        zone = self.part("drop")
        for event in ("dragover", "drop"):
            await zone.dispatch_event(event, {"dataTransfer": transfer})

    async def drop_from_disk(self, *paths: Path) -> None:
        """Drop files and folders onto the page, as a file manager does."""
        session = await self.page.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for event in ("dragEnter", "dragOver", "drop"):
            await session.send("Input.dispatchDragEvent", {"type": event, "x": 200, "y": 200, "data": data})

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


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyPage(DemoPage):
    """A demo page, and what its browser may complain of.

    Attributes:
        directory: For files to choose.
        expected: Parts of the errors that the browser logs of answers which a test arranges.
    """

    directory: Path
    expected: list[str] = field(default_factory=list)

    async def choose_from_disk(self, *files: tuple[str, bytes]) -> None:
        """Choose files by their paths; Playwright takes seconds to hand over megabytes by value."""
        for name, content in files:
            (self.directory / name).write_bytes(content)
        paths = [self.directory / name for name, _ in files]
        await self.part("input").set_input_files(paths)

    def row_state(self, name: str) -> Locator:
        """Find what a file's row says of its upload."""
        return self.row(name).locator("[part~=state]")

    def row(self, name: str) -> Locator:
        """Find the row of the file of exactly this name."""
        return self.page.locator(f'[part~=row][data-name="{name}"]')

    @property
    def folder(self) -> Locator:
        """Find the input of folders."""
        return self.page.locator("uploadsvc-dropzone input[webkitdirectory]")

    def button(self, action: str, name: str) -> Locator:
        """Find a button by what it does and to which file, as a screen reader says it."""
        return self.page.get_by_role("button", name=f"{action} {name}", exact=True)

    async def unfinished(self, user: str) -> list[str]:
        """List the keys of a user's unfinished uploads, as S3 remembers them."""
        users = (await self.api.get(f"{self.base_url}/demo/users")).json()["users"]
        (token,) = [entry["token"] for entry in users if entry["user"] == user]
        headers = {"Authorization": f"Bearer {token}"}
        listed = await self.api.get(f"{self.base_url}/v1/uploads", headers=headers)
        return [entry["key"] for entry in listed.json()["uploads"]]


@asynccontextmanager
async def open_page(
    browser: Browser,
    url: str,
    **options: Any,  # noqa: ANN401 - Playwright's own
) -> AsyncIterator[BusyPage]:
    """Open the demo page in a context of its own; its console must stay without an unexpected error.

    Args:
        browser: It.
        url: Where the service is.
        options: Of the context: colours, the window's size.
    """
    errors: list[str] = []
    context = await browser.new_context(**options)
    context.set_default_timeout(_TIMEOUT)
    page = await context.new_page()
    page.on("console", lambda said: errors.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    with TemporaryDirectory() as directory:
        async with httpx.AsyncClient(trust_env=False) as api, asyncio.timeout(90):
            await page.goto(url)
            await page.get_by_role("radio", name="alice").wait_for(state="attached")
            opened = BusyPage(page=page, base_url=url, api=api, directory=Path(directory))
            yield opened
    await context.close()
    assert [error for error in errors if not any(part in error for part in opened.expected)] == []
