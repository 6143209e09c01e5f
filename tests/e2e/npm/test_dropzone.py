"""The element by mouse and keyboard, for screen readers, on a phone, in dark mode, in another language."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, FilePayload, Locator, Page, Request, Route, expect
from tests.support.clients.tools import NODE_MODULES
from tests.support.npm_site import Site

AXE: Final = NODE_MODULES / "axe-core" / "axe.min.js"
SCREEN: Final[dict[str, Any]] = {"viewport": {"width": 1000, "height": 800}}
PHONE: Final[dict[str, Any]] = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
NOTE: Final[FilePayload] = {"name": "note.txt", "mimeType": "text/plain", "buffer": b"hello"}
LARGE: Final[FilePayload] = {"name": "film.mp4", "mimeType": "video/mp4", "buffer": bytes(20 * 1024**2)}
DROP: Final = """(zone) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["dropped"], "dropped.txt", { type: "text/plain" }));
    zone.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""

Opened = Callable[[dict[str, Any]], AbstractAsyncContextManager[Page]]


@pytest.fixture
def opened(own_browser: Browser, site: Site) -> Opened:
    """Open a page with the element, on a screen of this kind."""
    site.html["zone"] = (
        f"""<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>A page</title>
        <meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
        <main>
          <h1>Upload</h1>
          <uploadsvc-dropzone endpoint="{site.service}" folders>Any file</uploadsvc-dropzone>
        </main>
        <script nonce="n" type="module" src="{site.service}/web/dropzone.js"></script>
        <script nonce="n" type="module">
          window.told = [];
          const zone = document.querySelector("uploadsvc-dropzone");
          zone.getToken = async () => (await fetch("/token")).text();
          for (const name of ["done", "error", "idle"]) {{
            zone.addEventListener(`uploadsvc:${{name}}`, ({{ detail }}) => {{
              told.push([name, detail.item?.name, detail.object?.key]);
            }});
          }}
        </script>""",
        (
            f"default-src 'none'; img-src data: blob:; script-src 'nonce-n' 'unsafe-eval' {site.service}; "
            f"connect-src 'self' {site.service} {site.storage}"
        ),
    )

    @asynccontextmanager
    async def page(screen: dict[str, Any]) -> AsyncIterator[Page]:
        context = await own_browser.new_context(**screen)
        try:
            page = await context.new_page()
            async with asyncio.timeout(60):
                await page.goto(f"{site.pages}/pages/zone")
                yield page
        finally:
            await context.close()

    return page


def row(page: Page, name: str) -> Locator:
    """Find a file in the list."""
    return page.get_by_role("listitem").filter(has_text=name)


async def choose(page: Page, *files: FilePayload) -> None:
    """Choose files."""
    await page.get_by_label("Choose files to upload").set_input_files(files=files)


async def test_files_are_stored_or_refused_and_told_of(opened: Opened, site: Site) -> None:
    """Chosen and dropped; one that is refused says why, in words."""
    async with opened(SCREEN) as page:
        page_html: FilePayload = {"name": "page.html", "mimeType": "text/html", "buffer": b"<p>"}
        await choose(page, NOTE, page_html)
        await expect(row(page, "note.txt")).to_contain_text("done")
        await expect(row(page, "page.html")).to_contain_text("does not allow text/html")
        await page.locator("uploadsvc-dropzone").locator("label").evaluate(DROP)
        await expect(row(page, "dropped.txt")).to_contain_text("done")
        await expect(page.get_by_role("group", name="All uploads")).to_contain_text("2 of 3 files done")
        told = await page.evaluate("told")
        done = {name: key for kind, name, key in told if kind == "done"}
        assert {name for kind, name, _ in told if kind == "error"} == {"page.html"}
        assert await site.content(done["note.txt"]) == b"hello"
        assert await site.content(done["dropped.txt"]) == b"dropped"
        await row(page, "page.html").get_by_role("button", name="Dismiss").press("Enter")
        await expect(row(page, "page.html")).to_have_count(0)


async def test_an_upload_is_paused_resumed_and_cancelled_by_keyboard(opened: Opened, site: Site) -> None:
    """Its buttons are named after what they do, and to which file."""
    async with opened(SCREEN) as page:
        held = asyncio.Event()

        async def hold(route: Route) -> None:
            if route.request.method == "PUT":
                await held.wait()
            await route.continue_()

        await page.route(f"{site.storage}/**", hold)
        await choose(page, LARGE)
        await page.get_by_role("button", name="Pause film.mp4").press("Enter")
        await expect(row(page, "film.mp4")).to_contain_text("paused")
        held.set()
        await page.get_by_role("button", name="Resume film.mp4").press("Enter")
        await expect(row(page, "film.mp4")).to_contain_text("done")
        held.clear()
        await choose(page, {**LARGE, "name": "other.mp4"})
        await page.get_by_role("button", name="Cancel other.mp4").press("Enter")
        await expect(row(page, "other.mp4")).to_contain_text("cancelled")
        held.set()


@pytest.mark.parametrize(("screen", "scheme"), [(SCREEN, "light"), (SCREEN, "dark"), (PHONE, "dark")])
async def test_it_is_accessible_on_screens_and_phones(
    opened: Opened, screen: dict[str, Any], scheme: str, tmp_path: Path
) -> None:
    """With long names and failures, nothing is wider than the screen."""
    async with opened({**screen, "color_scheme": scheme}) as page:
        long = f"{'a long name ' * 12}.html"
        await choose(page, NOTE, {"name": long, "mimeType": "text/html", "buffer": b"<p>"})
        await expect(row(page, "note.txt")).to_contain_text("done")
        await expect(row(page, "a long name")).to_contain_text("does not allow")
        await page.screenshot(path=tmp_path / "element.png")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.evaluate(AXE.read_text(encoding="utf-8"))
        found = await page.evaluate("axe.run()")
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []


async def test_it_speaks_another_language(opened: Opened) -> None:
    """With its plurals and numbers; what has no words stays English."""
    async with opened(SCREEN) as page:
        await page.evaluate("""() => {
            const zone = document.querySelector("uploadsvc-dropzone");
            zone.lang = "de";
            zone.strings = {
                drop: "Dateien hierher ziehen", stored: "fertig", chooseFiles: "Dateien auswählen",
                done: { one: "{done} von {count} Datei fertig", other: "{done} von {count} Dateien fertig" },
            };
        }""")
        await expect(page.get_by_text("Dateien hierher ziehen")).to_be_visible()
        await page.get_by_label("Dateien auswählen").set_input_files(files=[NOTE])
        await expect(row(page, "note.txt")).to_contain_text("fertig")
        await expect(page.get_by_text("1 von 1 Datei fertig").first).to_be_attached()
        await expect(page.get_by_role("button", name="Dismiss note.txt")).to_be_visible()


@pytest.mark.parametrize("lang", ["en_US", "x", ""])
async def test_an_invalid_language_does_not_stop_it(opened: Opened, lang: str) -> None:
    """Pages may have a locale where a language tag belongs."""
    async with opened(SCREEN) as page:
        await page.evaluate("lang => { document.documentElement.lang = lang; }", lang)
        await choose(page, NOTE)
        await expect(row(page, "note.txt")).to_contain_text("done")


async def test_a_page_may_change_or_refuse_what_is_added(opened: Opened) -> None:
    """Each file with a name, a note and options of its own; files that scripts add are not asked about."""
    async with opened(SCREEN) as page:
        await page.evaluate("""() => {
            const zone = document.querySelector("uploadsvc-dropzone");
            zone.explain = ({ code }) => (code === "refused" ? "not today" : null);
            window.asked = [];
            zone.addEventListener("uploadsvc:add", async (event) => {
                event.preventDefault();
                const { UploadError } = await import(zone.getAttribute("endpoint") + "/web/uploadsvc.js");
                const { files } = event.detail;
                asked.push(files.map(({ file, path }) => [file.name, path]));
                const [first, second] = files.map(({ file }) => ({ file }));
                zone.add([
                    { ...first, path: "notes/2026/note.txt", name: "My note", note: "of today" },
                    { ...second, refused: new UploadError("refused", "no") },
                ]);
            });
        }""")
        sent: list[dict[str, Any]] = []

        def heard(request: Request) -> None:
            if request.method == "POST":
                sent.append(request.post_data_json or {})

        page.on("request", heard)
        await choose(page, NOTE, {**NOTE, "name": "other.txt"})
        await expect(row(page, "My note")).to_contain_text("done")
        await expect(row(page, "My note")).to_contain_text("5 B · of today")
        await expect(row(page, "other.txt")).to_contain_text("failed: not today")
        await expect(page.get_by_role("button", name="Retry other.txt")).to_have_count(0)
        assert await page.evaluate("asked") == [[["note.txt", ""], ["other.txt", ""]]]
        assert [body["filename"] for body in sent if "filename" in body] == ["notes/2026/note.txt"]
        (key,) = [key for kind, _, key in await page.evaluate("told") if kind == "done"]
        assert key.endswith("/notes/2026/note.txt")


async def test_files_may_be_dropped_anywhere(opened: Opened) -> None:
    """If the page says so, and on the field only once."""
    async with opened(SCREEN) as page:
        heading = page.get_by_role("heading", name="Upload")
        rows = page.get_by_role("listitem")
        await heading.evaluate(DROP)
        await page.locator("uploadsvc-dropzone").evaluate("(zone) => zone.setAttribute('anywhere', '')")
        await heading.evaluate(DROP)
        await expect(rows).to_have_count(1)
        await (
            page.locator("uploadsvc-dropzone")
            .locator("label")
            .evaluate(DROP.replace("bubbles: true", "bubbles: true, composed: true"))
        )
        await expect(rows.filter(has_text="done")).to_have_count(2)


async def test_properties_set_before_the_definition_count(opened: Opened, site: Site) -> None:
    """As a page does whose script runs before the module has loaded."""
    async with opened(SCREEN) as page:
        await page.route(f"{site.service}/web/dropzone.js", lambda route: route.abort())
        await page.reload()
        await page.evaluate("""() => {
            const zone = document.querySelector("uploadsvc-dropzone");
            zone.getToken = async () => (await fetch("/token")).text();
            zone.strings = { stored: "there" };
            zone.explain = () => "no";
            zone.options = { metadata: {} };
        }""")
        await page.unroute(f"{site.service}/web/dropzone.js")
        await page.evaluate("(url) => import(url)", f"{site.service}/web/dropzone.js?again")
        await choose(page, NOTE)
        await expect(row(page, "note.txt")).to_contain_text("there")
        await choose(page, {**NOTE, "name": "page.html", "mimeType": "text/html"})
        await expect(row(page, "page.html")).to_contain_text("failed: no")
