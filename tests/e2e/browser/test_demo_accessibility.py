"""The demo page by keyboard, with a screen reader, on a phone and in dark mode."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Browser, FileChooser, expect
from tests.support.browser.demo_pages import MIB, BusyPage, DemoService, demo_service, open_page
from tests.support.clients.tools import NODE_MODULES
from tests.support.fault_proxy import Exchange, Hold, Rule
from tests.support.servers import S3Server

AXE = NODE_MODULES / "axe-core" / "axe.min.js"
CONTENT = bytes(12 * MIB)
SMALL = b"hello from a browser"
MOVING = """[...document.querySelectorAll("*")]
    .filter((element) => getComputedStyle(element).transitionDuration !== "0s")
    .map(({ outerHTML }) => outerHTML)"""
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
SCREEN: dict[str, Any] = {"viewport": {"width": 1200, "height": 900}}


@pytest.fixture
def name() -> str:
    """Give a filename that no other test uses."""
    return f"{uuid4().hex}.bin"


@pytest.fixture(scope="module")
async def service(
    seaweedfs: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DemoService]:
    """Run a demo whose browsers reach S3 by a line of the tests."""
    async with demo_service(seaweedfs, tmp_path_factory.mktemp("accessible")) as running:
        yield running


@pytest.fixture
async def opened(own_browser: Browser, service: DemoService) -> AsyncIterator[BusyPage]:
    """Open the page in a browser of its own; nothing is left on the line.

    In one that many tests had used, the space bar sometimes opened no file chooser.
    """
    async with open_page(own_browser, service.url, **SCREEN) as page:
        yield page
        await mend(service)


async def mend(service: DemoService) -> None:
    """Leave the line as it was."""
    service.line.rule = lambda _: None
    service.line.exchanges.clear()
    await service.line.break_connections()


def held() -> Rule:
    """Hold files, and parts but the first, back for good."""
    hold = Hold(until=asyncio.Event())

    def rule(one: Exchange) -> Hold | None:
        return hold if one.method == "PUT" and one.part_number != 1 else None

    return rule


async def make_busy(page: BusyPage, service: DemoService, name: str) -> None:
    """Bring everything about that the page can show at once."""
    await page.choose((f"done-{name}", SMALL))
    await expect(page.row_state(f"done-{name}")).to_have_text("done")
    service.line.rule = held()
    await page.choose_from_disk((f"large-{name}", CONTENT))
    await service.line.until(lambda: service.line.stored_parts() == [1])
    await page.page.reload()
    await expect(page.page.get_by_test_id("offer").filter(has_text=name)).to_contain_text("arrived")
    # Until the rules are loaded, only the service refuses files, in their turn.
    await expect(page.page.get_by_test_id("rules")).to_contain_text("up to 20 MiB")
    await page.choose((f"cancelled-{name}", SMALL))
    await page.button("Cancel", f"cancelled-{name}").click()
    await page.choose_from_disk((f"paused-{name}", CONTENT))
    await page.button("Pause", f"paused-{name}").click()
    await page.choose(*((f"{index}-{'long' * 30}-{name}", SMALL) for index in range(4)))
    await page.choose_from_disk((f"refused-{name}", bytes(21 * MIB)))
    picture = await page.page.screenshot()
    await page.choose((f"{name}.png", picture), content_type="image/png")
    await expect(page.page.locator("[data-state=uploading]")).to_have_count(3)
    await expect(page.part("state").filter(has_text="waiting")).to_have_count(2)
    await expect(page.row_state(f"refused-{name}")).to_contain_text("failed")
    await expect(page.row_state(f"cancelled-{name}")).to_have_text("cancelled")


async def violations(page: BusyPage) -> list[str]:
    """Let axe-core look at the page; give what is serious or critical.

    https://github.com/dequelabs/axe-core/blob/develop/doc/API.md#results-object
    """
    await page.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = await page.page.evaluate("axe.run()")
    assert len(found["passes"]) > 10
    return [
        f"{each['id']}: {node['html']} {node['failureSummary']}"
        for each in found["violations"]
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]


@pytest.fixture(
    params=[{**SCREEN, "color_scheme": "light"}, {**PHONE, "color_scheme": "dark"}],
    ids=["light-screen", "dark-phone"],
)
async def window(
    request: pytest.FixtureRequest, browser: Browser, service: DemoService
) -> AsyncIterator[BusyPage]:
    """Open the page in both sizes and both colour schemes, for someone whom motion disturbs."""
    options = {"reduced_motion": "reduce", **request.param}
    async with open_page(browser, service.url, **options) as page:
        yield page
        page.expected.append("ERR_")
        await mend(service)


async def test_axe_finds_nothing_serious(window: BusyPage, service: DemoService, name: str) -> None:
    """On the empty page and with uploads in all states. The page never scrolls sideways."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make tests/clients/node_modules/.ready")
    await expect(window.page.get_by_test_id("rules")).to_contain_text("up to 20 MiB")
    assert await violations(window) == []
    await make_busy(window, service, name)
    assert await violations(window) == []
    assert await window.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await window.page.evaluate(MOVING) == []


async def test_the_page_follows_the_colour_scheme(browser: Browser, service: DemoService) -> None:
    shades = {}
    for scheme in ("light", "dark"):
        async with open_page(browser, service.url, color_scheme=scheme) as page:
            colour = await page.page.evaluate("getComputedStyle(document.body).backgroundColor")
            shades[scheme] = sum(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(","))
    assert shades["light"] > 600
    assert shades["dark"] < 150


async def test_the_keyboard_suffices(
    opened: BusyPage, service: DemoService, tmp_path: Path, name: str
) -> None:
    """Choose, pause, resume, cancel, dismiss, delete; the focus is never lost."""
    page, press = opened.page, opened.page.keyboard.press
    names = [f"{index}-{name}" for index in range(3)]
    for each in names:
        (tmp_path / each).write_bytes(SMALL)
    service.line.rule = held()
    choosers: asyncio.Queue[FileChooser] = asyncio.Queue()
    # Before the key is pressed: the browser must be told to leave the dialog to the test.
    page.on("filechooser", choosers.put_nowait)
    await expect(page.get_by_test_id("rules")).to_contain_text("up to 20 MiB")
    await page.get_by_role("radio", name="alice").focus()
    await press("Tab")
    await expect(opened.part("input")).to_be_focused()
    await press("Space")
    async with asyncio.timeout(20):
        chooser = await choosers.get()
    await chooser.set_files([tmp_path / each for each in names])
    await expect(page.locator("[data-state=uploading]")).to_have_count(3)
    for _ in range(20):
        if await opened.button("Pause", names[0]).evaluate("(button) => button.matches(':focus')"):
            break
        await press("Tab")
    await press("Enter")
    await expect(opened.row_state(names[0])).to_have_text("paused, nothing sent yet")
    await expect(opened.button("Resume", names[0])).to_be_focused()
    await press("Space")
    await expect(opened.button("Pause", names[0])).to_be_focused()
    await press("Tab")
    await press("Enter")
    await expect(opened.row_state(names[0])).to_have_text("cancelled")
    await expect(opened.button("Dismiss", names[0])).to_be_focused()
    await press("Enter")
    await expect(opened.row(names[0])).to_have_count(0)
    await expect(opened.button("Cancel", names[1])).to_be_focused()
    await press("Shift+Tab")
    opened.expected.append("ERR_")
    await mend(service)
    await expect(opened.row_state(names[1])).to_have_text("done")
    await expect(opened.button("Dismiss", names[1])).to_be_focused()
    await expect(opened.row_state(names[2])).to_have_text("done")
    await opened.button("Delete", names[1]).focus()
    await press("Enter")
    await expect(opened.object(names[1])).to_have_count(0)
    await expect(page.locator(".delete:focus")).to_have_count(1)


async def test_a_new_row_does_not_move_the_focus(opened: BusyPage, name: str) -> None:
    """Newer objects are inserted above without touching other rows."""
    await opened.choose((f"old-{name}", SMALL))
    await expect(opened.row_state(f"old-{name}")).to_have_text("done")
    await opened.button("Open", f"old-{name}").focus()
    await opened.page.evaluate(
        "() => { globalThis.lost = 0; document.activeElement.addEventListener('blur', () => (lost += 1)); }"
    )
    await opened.choose((f"new-{name}", SMALL))
    await expect(opened.object(f"new-{name}")).to_have_count(1)
    await expect(opened.button("Open", f"old-{name}")).to_be_focused()
    assert await opened.page.evaluate("lost") == 0


async def test_a_screen_reader_announces_ends_only(opened: BusyPage, name: str) -> None:
    """Ends at the same time are announced together."""
    status = opened.page.locator("uploadsvc-dropzone [role=status]")
    await status.evaluate(
        """(status) => { globalThis.heard = [];
        new MutationObserver(() => heard.push(status.textContent)).observe(status, { childList: true }); }"""
    )
    await opened.choose_from_disk(
        (f"large-{name}", CONTENT), *((f"{index}-{name}", SMALL) for index in range(11))
    )
    await expect(opened.part("overall-text")).to_contain_text("12 of 12 files done")
    # Every end is announced before more happens, however they were grouped.
    await opened.page.wait_for_function(
        """() => 12 === heard.reduce((all, text) =>
            all + Number(/^\\d+(?= changes)/.exec(text)?.[0] ?? text.match(/: done/g)?.length ?? 0), 0)"""
    )
    live = opened.page.locator("[aria-live], [role=status], [role=alert], [role=log], output")
    names = await live.evaluate_all("(regions) => regions.map(({ id, className }) => id || className)")
    # Those of the page, and the element's two.
    assert sorted(names) == sorted(["notice", "status", "heard", "notice", "unseen"])
    heard: list[str] = await opened.page.evaluate("heard")
    assert 1 <= len(heard) <= 12
    assert not [text for text in heard if "%" in text]
    await opened.page.get_by_label("Policy").select_option("pictures")
    await opened.choose(*((f"{index}-refused-{name}", SMALL) for index in range(5)))
    # By count: the text of an earlier announcement may say "5 changes" too.
    await opened.page.wait_for_function("(before) => heard.length > before", arg=len(heard))
    await expect(status).to_contain_text("5 changes, latest: ")
    await expect(status).to_contain_text("-refused-")
    assert len(await opened.page.evaluate("heard")) == len(heard) + 1
