"""The page at ``/`` of a service that is no demo."""

import pytest
from playwright.async_api import BrowserContext
from tests.support.api import s3_that_is_down
from tests.support.servers import S3Server
from tests.support.service import settings_for
from tests.support.stories.serving import served

from uploadsvc.app import create_app
from uploadsvc.settings import Settings


@pytest.mark.parametrize(("state", "text"), [("ready", "Ready:"), ("failed", "Not ready.")])
async def test_the_page_tells_whether_the_service_is_ready(
    seaweedfs: S3Server, context: BrowserContext, state: str, text: str
) -> None:
    """Its links work, and its policy lets all of it run."""
    settings = settings_for(seaweedfs if state == "ready" else s3_that_is_down())
    async with served(create_app(Settings.model_validate(settings))) as origin:
        page = await context.new_page()
        errors: list[str] = []
        page.on("console", lambda line: errors.append(line.text) if "Policy" in line.text else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(f"{origin}/")
        shown = page.locator(f"#state[data-state={state}]")
        await shown.wait_for()
        assert (await shown.inner_text()).startswith(text)
        links = await page.locator("a").evaluate_all("(all) => all.map((one) => one.href)")
        for link in links:
            found = await context.request.get(link)
            assert found.ok, link
        assert len(links) == 4
        assert errors == []
