"""The demo page shows what a backend would get by webhook."""

import asyncio
import re
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, expect
from tests.support.browser.demo_pages import DemoPage

CONTENT = b"hello from a browser"
TIMEOUT = 30_000


@pytest.fixture
def name() -> str:
    """Give a filename that no other test uses."""
    return f"{uuid4().hex}.txt"


def events(page: Page, name: str) -> Locator:
    """Find the events of a file."""
    return page.get_by_test_id("event").filter(has_text=name)


async def test_events_of_a_file_appear_as_they_happen(demo_page: DemoPage, name: str) -> None:
    """Each once, the newest first, read out by a screen reader, and for its user alone."""
    page = demo_page.page
    await demo_page.choose((name, CONTENT))
    stored = events(page, name)
    await expect(stored).to_have_text(
        re.compile("upload.completed.*verified.*20 B", re.DOTALL), timeout=TIMEOUT
    )
    await expect(stored).to_have_attribute("data-verified", "true")
    await expect(page.get_by_test_id("heard")).to_contain_text(f"{name}: upload.completed, verified")
    await expect(demo_page.object(name)).to_have_count(1)
    await demo_page.object(name).get_by_role("button", name=re.compile("Delete")).click()
    # The upload is told by S3 and by its completion.
    await expect(events(page, name)).to_have_count(2, timeout=TIMEOUT)
    await expect(events(page, name).first).to_contain_text("object.deleted")
    await page.get_by_text("bob", exact=True).first.click()
    await expect(page.get_by_role("heading", name="Events of bob")).to_be_visible()
    await expect(events(page, name)).to_have_count(0)
    await page.get_by_text("alice", exact=True).first.click()
    await expect(events(page, name)).to_have_count(2)


async def test_the_event_comes_though_the_tab_was_closed(demo_page: DemoPage, name: str) -> None:
    """After the last byte, before the page completes the upload."""
    other = await demo_page.page.context.new_page()
    await other.goto(demo_page.base_url)
    await other.get_by_role("radio", name="alice").wait_for(state="attached")
    held = asyncio.Event()
    await demo_page.page.route("**/complete", lambda _: held.set())
    await demo_page.choose((name, CONTENT))
    await held.wait()
    await demo_page.page.close()
    await expect(events(other, name)).to_contain_text("verified", timeout=TIMEOUT)
    await expect(events(other, name)).to_have_attribute("data-verified", "true")
    await other.close()
