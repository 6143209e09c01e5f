"""Cookies by plain HTTP, where browsers send no ``Sec-Fetch-Site``."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import BrowserContext, Page
from tests.support.api import s3_that_is_down
from tests.support.service import JWT_SECRET, settings_for, token_for
from tests.support.stories.serving import served

from uploadsvc.app import create_app
from uploadsvc.settings import Settings

_POST = """async () => {
  const body = JSON.stringify({ filename: "a.txt", size: 5 });
  const headers = { "Content-Type": "application/json" };
  return (await fetch("/v1/uploads", { method: "POST", headers, body })).status;
}"""
_FORM = """(action) => {
  const form = Object.assign(document.createElement("form"), { method: "post", action });
  document.body.append(form);
  form.submit();
}"""


@pytest.fixture
async def port() -> AsyncIterator[str]:
    """Serve the service, which trusts a cookie; the browser reaches it by any name that ends in .test."""
    auth = {"jwt": {"secret": JWT_SECRET, "cookie": "session"}}
    app = create_app(Settings.model_validate(settings_for(s3_that_is_down(), auth=auth)))
    async with served(app) as origin:
        yield origin.rpartition(":")[2]


async def page_at(context: BrowserContext, origin: str) -> Page:
    """Open a page of an origin, of a user who is signed in at nas.test."""
    await context.add_cookies([{"name": "session", "value": token_for(), "url": "http://nas.test"}])
    page = await context.new_page()
    await page.goto(f"{origin}/healthz")
    return page


async def test_a_page_of_the_same_host_may_write(context: BrowserContext, port: str) -> None:
    """Though the browser sends no ``Sec-Fetch-Site``."""
    page = await page_at(context, f"http://nas.test:{port}")
    async with page.expect_request("**/v1/uploads") as asked:
        assert await page.evaluate(_POST) == 201
    headers = await (await asked.value).all_headers()
    assert "sec-fetch-site" not in headers
    assert headers["origin"] == f"http://nas.test:{port}"


async def test_a_page_of_another_host_may_not(context: BrowserContext, port: str) -> None:
    """The browser sends the cookie with its form."""
    page = await page_at(context, f"http://evil.test:{port}")
    async with page.expect_response("**/v1/uploads") as answered:
        await page.evaluate(_FORM, f"http://nas.test:{port}/v1/uploads")
    answer = await answered.value
    headers = await answer.request.all_headers()
    assert "session=" in headers["cookie"]
    assert "sec-fetch-site" not in headers
    assert answer.status == 403


async def test_a_rebound_name_has_no_cookie(context: BrowserContext, port: str) -> None:
    """To the browser, its page and the service are one origin (DNS rebinding); the cookie is another's."""
    page = await page_at(context, f"http://evil.test:{port}")
    assert await page.evaluate(_POST) == 401
