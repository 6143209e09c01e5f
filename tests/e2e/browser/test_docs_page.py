"""The documentation in a browser shows and calls every operation, and loads nothing from other sites."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
from playwright.async_api import BrowserContext, Page
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.support.api import s3_that_is_down
from tests.support.processes import environment_for, program
from tests.support.servers import ROOT, free_port
from tests.support.service import token_for
from tests.support.stories.serving import served

DOCUMENT: Final = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
OPERATIONS: Final = sorted(
    operation["operationId"]
    for operations in (*DOCUMENT["paths"].values(), *DOCUMENT["webhooks"].values())
    for operation in operations.values()
)
PREFIX: Final = "/files"
WATCH: Final = """
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => {
        violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`);
    });
"""


def stripping_proxy(target: str) -> ASGIApp:
    """Return a proxy that passes on what is below a prefix, without the prefix."""

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        below, path = request.url.path.startswith(f"{PREFIX}/"), request.url.path.removeprefix(PREFIX)
        query = f"?{request.url.query}" if request.url.query else ""
        if not below:
            await Response(status_code=404)(scope, receive, send)
            return
        async with httpx.AsyncClient(trust_env=False) as http:
            got = await http.request(
                request.method,
                f"{target}{path}{query}",
                headers=[one for one in request.headers.items() if one[0] != "content-length"],
                content=await request.body(),
            )
        # httpx has unpacked the body.
        unpacked = {"content-length", "content-encoding"}
        headers = {name: value for name, value in got.headers.items() if name not in unpacked}
        await Response(got.content, got.status_code, headers)(scope, receive, send)

    return proxy


@asynccontextmanager
async def service(directory: Path, *, prefix: str) -> AsyncIterator[str]:
    """Run ``uploadsvc serve``, behind a proxy if there is a prefix; give the address of the documentation."""
    port = free_port()
    target = f"http://127.0.0.1:{port}"
    arguments = ("serve", "--port", str(port), "--root-path", prefix)
    environment = environment_for(s3_that_is_down())
    async with program(*arguments, directory=directory, environment=environment) as running:
        await running.answers(f"{target}/healthz")
        if not prefix:
            yield f"{target}/docs"
            return
        async with served(stripping_proxy(target)) as origin:
            yield f"{origin}{prefix}/docs"


async def call(page: Page, operation: str) -> tuple[int, str]:
    """Call an operation with its example, and give the status and URL of the answer."""
    shown = page.locator(f"[id$='-{operation}']")
    await shown.locator(".opblock-summary-control").click()
    await shown.get_by_role("button", name="Try it out").click()
    async with page.expect_response(lambda answer: "/v1/" in answer.url) as answered:
        await shown.get_by_role("button", name="Execute").click()
    answer = await answered.value
    await shown.locator(".live-responses-table").get_by_text(str(answer.status), exact=True).wait_for()
    return answer.status, answer.url


@pytest.mark.parametrize("prefix", ["", PREFIX])
async def test_the_documentation_shows_and_calls_every_operation(
    tmp_path: Path, context: BrowserContext, prefix: str
) -> None:
    """With a bearer token, also behind a proxy that strips a prefix. No rule of the page is violated."""
    async with service(tmp_path, prefix=prefix) as url, asyncio.timeout(90):
        base = url.removesuffix("/docs")
        page = await context.new_page()
        await page.add_init_script(WATCH)
        asked: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(url)
        await page.locator(".opblock").first.wait_for()
        ids = await page.locator(".opblock").evaluate_all(
            "(all) => all.map((one) => one.id.split('-').at(-1))"
        )
        assert sorted(ids) == OPERATIONS
        # What an operation shows does not depend on the prefix, and to open them all takes the browser long.
        for operation in [] if prefix else await page.locator(".opblock-summary-control").all():
            await operation.click()
            await operation.click()

        await page.get_by_role("button", name="Authorize").click()
        await page.get_by_label("auth-bearer-value").fill(token_for("alice"))
        await page.locator(".auth-container").first.get_by_role("button", name="Apply").click()
        await page.get_by_role("button", name="Close").first.click()
        assert await call(page, "listPolicies") == (200, f"{base}/v1/policies")
        assert await call(page, "createUpload") == (201, f"{base}/v1/uploads")

        assert [one for one in asked if not one.startswith((f"{base}/", "data:"))] == []
        assert await page.evaluate("violations") == []
        assert errors == []
        # No token is left for the next person at this browser.
        assert (
            await page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])") == "[{},{}]"
        )


async def test_the_query_cannot_name_another_document(tmp_path: Path, context: BrowserContext) -> None:
    """A link could otherwise show somebody else's, whose server gets the visitor's token."""
    async with service(tmp_path, prefix="") as url, asyncio.timeout(60):
        page = await context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        query = "?url=https://evil.example/a.json&configUrl=https://evil.example/b.json&validatorUrl=https://evil.example"
        await page.goto(f"{url}{query}")
        await page.locator(".opblock").first.wait_for()
        assert await page.locator(".opblock").count() == len(OPERATIONS)
        base = url.removesuffix("docs")
        assert [one for one in asked if not one.startswith((base, "data:"))] == []


async def test_code_is_shown_in_three_languages_and_every_error_with_its_fix(
    tmp_path: Path, context: BrowserContext
) -> None:
    """The next operation begins with the language chosen before. A problem's type is its page."""
    async with service(tmp_path, prefix=PREFIX) as url, asyncio.timeout(60):
        page = await context.new_page()
        await page.add_init_script(WATCH)
        await page.goto(url)
        await page.locator(".opblock").first.wait_for()
        for operation, shows in (("getUpload", "curl"), ("deleteObjects", "Python")):
            shown = page.locator(f"[id$='-{operation}']")
            await shown.locator(".opblock-summary-control").click()
            code = shown.get_by_role("tabpanel", name=shows, exact=True)
            paths = [item for item in DOCUMENT["paths"].values() for item in item.values()]
            (samples,) = [one["x-codeSamples"] for one in paths if one["operationId"] == operation]
            by_label = {one["label"]: one["source"] for one in samples}
            assert await code.inner_text() == by_label[shows]
            for label in ("TypeScript", "Python"):
                await shown.get_by_role("tab", name=label).click()
                code = shown.get_by_role("tabpanel", name=label, exact=True)
                assert await code.inner_text() == by_label[label]
        refused = shown.locator("tr.response").filter(has=page.get_by_text("403", exact=True))
        assert "The caller is authenticated, but not allowed to do this." in await refused.inner_text()
        assert await page.evaluate("violations") == []

        answer = await context.request.get(f"{url.removesuffix('/docs')}/v1/policies")
        await page.goto(str(httpx.URL(answer.url).join((await answer.json())["type"])))
        assert await page.locator("h1").inner_text() == "No valid credential"
        assert await page.evaluate("violations") == []
        # Its style is applied.
        assert await page.locator("main").evaluate("(one) => getComputedStyle(one).borderTopWidth") == "1px"
