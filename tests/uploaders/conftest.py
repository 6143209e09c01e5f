"""A browser, and the packages in it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Browser, BrowserContext
from tests.browser.conftest import browser
from tests.uploaders.packages import STAMP, UPLOADERS, bundle

__all__ = ["browser"]

Bundled = Callable[[str], Awaitable[bytes]]


@pytest.fixture(scope="session")
def bundled() -> Bundled:
    """Give what bundles a package's page, ``uppy6`` for one, once."""
    if not STAMP.exists():
        pytest.skip(f"the uploaders are not installed: make {STAMP.relative_to(UPLOADERS.parent.parent)}")
    made: dict[str, bytes] = {}

    async def of(name: str) -> bytes:
        if name not in made:
            made[name] = await bundle(UPLOADERS / name / "page.js")
        return made[name]

    return of


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Give a test a profile of its own in the browser."""
    context = await browser.new_context()
    context.set_default_timeout(20_000)
    yield context
    await context.close()
