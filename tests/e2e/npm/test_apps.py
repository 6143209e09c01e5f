"""Apps with the npm package, built as their users build them, upload in Chromium."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import httpx
import pytest
from playwright.async_api import BrowserContext, ConsoleMessage, FilePayload, Page, expect
from tests.support.clients.tools import run
from tests.support.npm_package import ADDRESS, GUIDE, WEB_COMPONENT, Apps
from tests.support.npm_site import Site
from tests.support.pages import examples
from tests.support.service import token_for

FILE: Final[FilePayload] = {"name": "note.txt", "mimeType": "text/plain", "buffer": b"hello from an app"}


@pytest.fixture
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """Open a page, whose console must say what an upload has stored and no error."""
    page = await context.new_page()
    errors: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            errors.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert errors == []


async def stored_by(page: Page, site: Site, *, name: str = "Files") -> list[str]:
    """Choose a file; give the words in which the page says that it is stored."""
    async with page.expect_console_message(lambda message: "uploads/alice/" in message.text) as told:
        await page.get_by_label(name).set_input_files(files=[FILE])
    words = (await told.value).text.split(" ")
    (key,) = [word for word in words if word.startswith("uploads/alice/")]
    assert await site.content(key) == FILE["buffer"]
    assert words[-1].count(".") == 2  # a JWT: the receipt
    return words


@pytest.mark.parametrize("version", ["react-18", "react-19"])
async def test_a_vite_app_uploads(apps: Apps, site: Site, page: Page, version: str) -> None:
    """In TypeScript and StrictMode, with both versions of React; each upload is told of once."""
    if version == "react-19":
        await apps.tool("tsc", app="vite")
    await apps.tool("vite", "build", "--mode", version, "--base", f"/{version}/", app="vite")
    site.folders[version] = apps.directory / "vite" / "dist" / version
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    async with asyncio.timeout(40):
        await page.goto(f"{site.pages}/{version}/index.html")
        assert (await stored_by(page, site))[0] == "note.txt"
        await expect(page.get_by_role("listitem")).to_contain_text("note.txt: stored")
        await page.get_by_role("button", name="Remove").click()
        await expect(page.get_by_role("listitem")).to_have_count(0)
    assert len(told) == 1


@pytest.mark.parametrize("name", ["vue", "svelte"])
async def test_an_app_of_another_framework_uploads(apps: Apps, site: Site, page: Page, name: str) -> None:
    """With the guide's component over the queue; its list follows what happens, and its buttons act on it."""
    await apps.tool("vite", "build", "--base", f"/{name}/", app=name)
    site.folders[name] = apps.directory / name / "dist"
    async with asyncio.timeout(40):
        await page.goto(f"{site.pages}/{name}/index.html")
        assert (await stored_by(page, site))[0] == "note.txt"
        await expect(page.get_by_role("listitem")).to_contain_text("note.txt: stored")
        await page.get_by_role("button", name="Remove").click()
        await expect(page.get_by_role("listitem")).to_have_count(0)


@asynccontextmanager
async def next_server(apps: Apps, port: int) -> AsyncIterator[str]:
    """Run ``next start``, whose route handler knows a token."""
    running = asyncio.create_task(_next(apps, port))
    address = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(30):
        while True:
            with suppress(httpx.TransportError):
                await client.get(f"{address}/token")
                break
            assert not running.done(), running
            await asyncio.sleep(0.1)
    yield address
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def _next(apps: Apps, port: int) -> None:
    program = apps.directory / "node_modules" / "next" / "dist" / "bin" / "next"
    found = await run("sh", "-c", "command -v node", directory=apps.directory)
    server = await asyncio.create_subprocess_exec(
        found.stdout.strip(),
        *(program, "start", "--hostname", "127.0.0.1", "--port", str(port)),
        cwd=apps.directory / "next",
        env={"TOKEN": token_for("alice"), "NEXT_TELEMETRY_DISABLED": "1", "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await server.wait()
    finally:
        with suppress(ProcessLookupError):
            server.terminate()
        await server.wait()


async def test_a_next_app_renders_on_the_server_and_uploads(apps: Apps, site: Site, page: Page) -> None:
    """With the app router: the list is in the server's HTML, and no hydration fails."""
    await apps.tool("next", "build", app="next")
    async with asyncio.timeout(60), next_server(apps, site.next_port) as address:
        async with httpx.AsyncClient(trust_env=False) as client:
            assert 'aria-label="Files"' in (await client.get(address)).text
        await page.goto(address)
        await stored_by(page, site)
        await expect(page.get_by_role("listitem")).to_contain_text("note.txt: stored")


async def test_a_plain_page_uploads_with_an_import_map(apps: Apps, site: Site, page: Page) -> None:
    """Without a build, from the package's files."""
    site.folders["package"] = apps.package / "dist"
    html = """<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>A page</title>
    <script type="importmap" nonce="n">{"imports": {"uploadsvc": "/package/uploadsvc.js"}}</script>
    <input type="file" aria-label="Files">
    <script type="module" nonce="n">
      import { createClient } from "uploadsvc";
      const getToken = async () => (await fetch("/token")).text();
      const client = createClient({ baseUrl: "SERVICE", getToken });
      document.querySelector("input").addEventListener("change", async ({ target }) => {
        const { object, receipt } = await client.upload(target.files[0]);
        console.log(object.key, receipt);
      });
    </script>"""
    policy = (
        "default-src 'none'; img-src data:; script-src 'self' 'nonce-n'; "
        f"connect-src 'self' {site.service} {site.storage}"
    )
    site.html["map"] = (html.replace("SERVICE", site.service), policy)
    async with asyncio.timeout(30):
        await page.goto(f"{site.pages}/pages/map")
        await stored_by(page, site)


async def test_the_guides_element_uploads_under_a_strict_policy(site: Site, page: Page) -> None:
    """From the service itself, with no style allowed; it shows that it has one all the same."""
    element = WEB_COMPONENT.replace(ADDRESS, site.service).replace("<script", '<script nonce="n"')
    html = f'<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>A page</title>{element}'
    policy = (
        f"default-src 'none'; img-src data: blob:; script-src 'nonce-n' {site.service}; "
        f"connect-src 'self' {site.service} {site.storage}"
    )
    site.html["element"] = (html, policy)
    async with asyncio.timeout(30):
        await page.goto(f"{site.pages}/pages/element")
        await stored_by(page, site, name="Choose files to upload")
        await expect(page.get_by_role("listitem")).to_contain_text("done")
        zone = page.locator("uploadsvc-dropzone label")
        assert await zone.evaluate("(zone) => getComputedStyle(zone).borderStyle") == "dashed"


async def test_the_code_for_react_native_uploads_a_file_uri(site: Site, apps: Apps, tmp_path: Path) -> None:
    """In Node.js, whose `fetch` is taught file URIs, with the `send` of plain `fetch`."""
    (recipe,) = [code for code in examples(GUIDE, "js") if code.startswith("export async function upload")]
    (send,) = re.findall(r"`send` may be `(async .*?)`, which", GUIDE, re.DOTALL)
    picked = tmp_path / "IMG 1.jpg"
    picked.write_bytes(bytes(range(256)) * 500)
    script = f"""
        import {{ openAsBlob }} from "node:fs";
        {recipe}
        const [service, token, uri, size] = process.argv.slice(1);
        const ours = globalThis.fetch;
        globalThis.fetch = async (url, options) =>
          url.startsWith("file:") ? new Response(await openAsBlob(new URL(url))) : ours(url, options);
        const send = {send};
        const file = {{ name: "IMG 1.jpg", size: Number(size), mimeType: "image/jpeg", uri }};
        console.log(JSON.stringify(await upload({{ service, token, file, send }})));
    """
    size = str(picked.stat().st_size)
    done = await apps.node(script, site.service, token_for("alice"), picked.as_uri(), size)
    assert isinstance(done, dict)
    assert done["receipt"]
    assert await site.content(done["object"]["key"]) == picked.read_bytes()
