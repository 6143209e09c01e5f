"""Pages in a browser, used as a person uses them, and what they asked for."""

from dataclasses import dataclass, field
from typing import Final

from playwright.async_api import BrowserContext, ConsoleMessage, FilePayload, Page, Request, Response, expect

_TIMEOUT_MS: Final = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """A page.

    Attributes:
        page: In the browser.
        complaints: What its console told of as an error or a warning.
        requests: What it asked for, of anybody; preflights are not among them.
        responses: What it was answered.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    async def upload(self, name: str, content: bytes) -> str:
        """Choose a file of plain text, and give the line that the app then writes."""
        lines = self.page.get_by_role("listitem")
        before = await lines.count()
        file = FilePayload(name=name, mimeType="text/plain", buffer=content)
        await self.page.locator("input:enabled").set_input_files(file)
        await expect(lines).to_have_count(before + 1, timeout=_TIMEOUT_MS)
        return await lines.nth(before).inner_text()

    def answers(self, url: str) -> list[int]:
        """Return the statuses with which posts to an address were answered."""
        return [one.status for one in self.responses if (one.url, one.request.method) == (url, "POST")]

    async def headers_sent(self, origin: str) -> set[str]:
        """Return the names of all headers that were sent to an origin, those that the browser adds too."""
        sent = [one for one in self.requests if one.url.startswith(f"{origin}/")]
        assert sent, f"nothing was asked of {origin}"
        return {name.lower() for one in sent for name in await one.all_headers()}


async def open_tab(context: BrowserContext, url: str) -> Tab:
    """Open an address in a new tab of a browser's profile."""
    context.set_default_timeout(_TIMEOUT_MS)
    tab = Tab(page=await context.new_page())

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            tab.complaints.append(message.text)

    # Playwright sets an attribute on what it is given, which a list's own `append` would not take.
    def asked(request: Request) -> None:
        tab.requests.append(request)

    def answered(response: Response) -> None:
        tab.responses.append(response)

    tab.page.on("console", heard)
    tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.page.on("request", asked)
    tab.page.on("response", answered)
    await tab.page.goto(url)
    return tab
