"""What the demo page looks like: pictures for a person (``make screenshots``), and checks of a machine."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, expect
from tests.support.browser.demo_pages import MIB, BusyPage, DemoService, demo_service, open_page
from tests.support.clients.tools import NODE_MODULES
from tests.support.fault_proxy import Cut, Hold
from tests.support.servers import ROOT, S3Server

AXE: Final = NODE_MODULES / "axe-core" / "axe.min.js"
LAYOUT: Final = (ROOT / "tests" / "support" / "browser" / "layout.js").read_text(encoding="utf-8")
SCREENS: Final[dict[str, dict[str, Any]]] = {
    "desktop": {"viewport": {"width": 1200, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1200, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "device_scale_factor": 2},
}
LARGE: Final = bytes(12 * MIB)
NOTE: Final = b"hello from a browser"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the pictures: that of the variable, which ``make screenshots`` sets."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(params=list(SCREENS))
def screen(request: pytest.FixtureRequest) -> str:
    """Name each screen."""
    name: str = request.param
    return name


@pytest.fixture
async def service(
    seaweedfs: S3Server, tmp_path_factory: pytest.TempPathFactory, screen: str
) -> AsyncIterator[DemoService]:
    """Run a demo whose bucket has nothing else."""
    async with demo_service(seaweedfs, tmp_path_factory.mktemp(screen), prefix=f"looks-{screen}") as running:
        yield running


async def taken(page: BusyPage, pictures: Path, name: str) -> list[str]:
    """Take a picture of the whole page; give what is wrong with it."""
    await page.page.mouse.move(0, 0)
    await page.page.screenshot(path=pictures / f"{name}.png", full_page=True)
    wrong: list[str] = await page.page.evaluate(LAYOUT)
    await page.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = await page.page.evaluate("axe.run()")
    return wrong + [
        f"{each['id']}: {node['html']} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


async def test_the_page_looks_right(
    browser: Browser, service: DemoService, pictures: Path, screen: str
) -> None:
    """At rest, uploading, done, with errors: nothing overlaps, is cut off, too pale, or too wide."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make tests/clients/node_modules/.ready")
    hold = Hold(until=asyncio.Event(), after=2 * MIB)
    async with open_page(browser, service.url, **SCREENS[screen]) as page:
        await expect(page.page.get_by_test_id("rules")).to_contain_text("up to 20 MiB")
        await expect(page.page.get_by_test_id("empty")).to_be_visible()
        wrong = {"rest": await taken(page, pictures, f"{screen}-1-rest")}

        picture = await page.page.screenshot(clip={"x": 0, "y": 0, "width": 300, "height": 200})
        await page.choose(("lake-at-dawn.png", picture), content_type="image/png")
        await expect(page.row_state("lake-at-dawn.png")).to_have_text("done")
        service.line.rule = lambda one: hold if one.method == "PUT" else None
        await page.choose_from_disk(("lecture.mp4", LARGE), ("drone.mov", LARGE))
        await page.choose((f"minutes-{'of-the-meeting-' * 8}2026.txt", NOTE))
        await expect(page.part("state").filter(has_text="MiB of 12 MiB")).to_have_count(2)
        await page.button("Pause", "lecture.mp4").click()
        wrong["uploading"] = await taken(page, pictures, f"{screen}-2-uploading")

        page.expected.extend(("ERR_", "415", "403"))
        service.line.rule = lambda _: None
        await service.line.break_connections()
        await page.button("Resume", "lecture.mp4").click()
        for name in ("lecture.mp4", "drone.mov"):
            await expect(page.row_state(name)).to_have_text("done")
        await page.page.get_by_test_id("happened-upload").select_option("drone.mov")
        await page.page.get_by_test_id("request").first.locator("summary").click()
        await expect(page.page.get_by_test_id("verdict")).to_contain_text("Not checked here")
        wrong["done"] = await taken(page, pictures, f"{screen}-3-done")

        await page.page.get_by_role("button", name="Clear finished").click()
        await page.page.get_by_label("Policy").select_option("pictures")
        await page.choose(("page.html", NOTE), content_type="text/html")
        await page.choose(("poster.png", bytes(2 * MIB)), content_type="image/png")
        await page.choose(("moving.gif", NOTE), content_type="image/gif")
        await page.page.get_by_label("Policy").select_option("default")
        service.line.rule = lambda one: Cut() if one.method == "PUT" else None
        await page.choose_from_disk(("drone-again.mov", LARGE))
        await expect(page.row_state("drone-again.mov")).to_contain_text("retrying")
        await page.page.route("**/v1/objects?*", lambda route: route.abort())
        await page.page.get_by_role("button", name="Refresh").click()
        await expect(page.page.get_by_test_id("notice")).to_contain_text("does not answer")
        await expect(page.row_state("moving.gif")).to_contain_text("failed")
        wrong["errors"] = await taken(page, pictures, f"{screen}-4-errors")
        service.line.rule = lambda _: None
        assert {state: found for state, found in wrong.items() if found} == {}
