"""A single-page app of another origin, in a browser, whose identity provider rotates its keys half-way."""

import logging
from dataclasses import dataclass
from typing import Literal

import pytest
from playwright.async_api import BrowserContext
from structlog.testing import capture_logs
from tests.support.identity_provider import IdentityProvider
from tests.support.servers import S3Server
from tests.support.stores import on_both_stores
from tests.support.stories.serving import served
from tests.support.stories.single_page_app import SinglePageApp
from tests.support.stories.stage import staged
from tests.support.stories.tabs import open_tab

from uploadsvc.auth.jwks import COOLDOWN


@dataclass(slots=True)
class Clock:
    """Monotonic seconds, moved by hand."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Have the service wait for its next look at published keys by this clock."""
    clock = Clock()
    monkeypatch.setattr("uploadsvc.bootstrap.auth.monotonic", clock)
    return clock


@pytest.mark.parametrize("keys", ["issuer", "jwks_url"])
async def test_uploads_go_on_while_the_provider_rotates_its_keys(
    context: BrowserContext,
    provider: IdentityProvider,
    clock: Clock,
    s3: S3Server,
    keys: Literal["issuer", "jwks_url"],
) -> None:
    """A fresh token brings the new key with it; from then on the old one counts no more."""
    spa = SinglePageApp(provider=provider, user="alice")
    async with staged(s3, spa, keys=keys) as stage:
        spa.module = f"{stage.service}/web/uploadsvc.js"
        uploads = f"{stage.service}/v1/uploads"
        early = await open_tab(context, stage.app)
        lines = [await early.upload("early.txt", b"early")]
        (old,) = spa.issued
        provider.rotate()
        provider.withdraw()
        assert await stage.status_for(old) == 200
        assert provider.fetches == 1
        clock.seconds += COOLDOWN
        late = await open_tab(context, stage.app)
        lines.append(await late.upload("late.txt", b"later on"))
        assert provider.fetches == 2
        assert await stage.status_for(old) == 401
        assert await stage.status_for(spa.issued[-1]) == 200
        # The first tab knows nothing of it: it still has its token, is refused, and asks for another one.
        lines.append(await early.upload("refreshed.txt", b"refreshed by itself"))
        assert early.answers(uploads) == [201, 401, 201]
        assert late.answers(uploads) == [201]
        assert len(spa.issued) == 3
        assert provider.fetches == 2
        assert [line.partition("/")[0] for line in lines] == ["stored: uploads"] * 3
        assert [f"stored: {claims['key']}" for claims in spa.receipts] == lines
        assert {claims["sub"] for claims in spa.receipts} == {"alice"}
        assert await stage.stored() == [b"early", b"later on", b"refreshed by itself"]
        assert late.complaints == []
        assert [text for text in early.complaints if "401" not in text] == []


@on_both_stores
async def test_s3_is_sent_no_token(context: BrowserContext, provider: IdentityProvider, s3: S3Server) -> None:
    """It goes to the service alone, and into no log of the service's."""
    spa = SinglePageApp(provider=provider, user="alice")
    async with staged(s3, spa) as stage:
        tab = await open_tab(context, stage.app)
        await tab.upload("a.txt", b"a")
        assert "authorization" in await tab.headers_sent(stage.service)
        assert {"authorization", "cookie"} & await tab.headers_sent(stage.s3.endpoint_url) == set()


async def test_the_token_is_in_no_log(
    context: BrowserContext,
    provider: IdentityProvider,
    s3: S3Server,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither when it is good nor when it is refused; before anything is blacked out."""
    caplog.set_level(logging.INFO)
    spa = SinglePageApp(provider=provider, user="alice")
    with capture_logs() as logs:
        async with staged(s3, spa) as stage:
            tab = await open_tab(context, stage.app)
            assert (await tab.upload("a.txt", b"a")).startswith("stored: ")
            spa.issued.append(provider.token("alice", aud="another service"))
            assert await stage.status_for(spa.issued[-1]) == 401
    requests = {(log["method"], log["route"], log["status"]) for log in logs if log["event"] == "request"}
    assert {("POST", "/v1/uploads", 201), ("GET", "/v1/policies", 401)} <= requests
    logged = repr(logs) + caplog.text
    for token in spa.issued:
        assert token.rpartition(".")[2] not in logged


async def test_a_page_of_another_origin_is_kept_out(
    context: BrowserContext, provider: IdentityProvider, s3: S3Server
) -> None:
    """Though it has its user's token, and a copy of the module: the browser lets it read nothing."""
    spa = SinglePageApp(provider=provider, user="alice")
    async with staged(s3, spa) as stage:
        foreign = SinglePageApp(provider=provider, user="alice", service=stage.service)
        async with served(foreign.app) as origin:
            tab = await open_tab(context, origin)
            assert await tab.upload("a.txt", b"a") == "failed: network_error"
            foreign.module = f"{stage.service}/web/uploadsvc.js"
            other = await open_tab(context, origin)
            async with other.page.expect_event("pageerror") as failed:
                await other.page.reload()
            assert "dynamically imported module" in str(await failed.value)
        for one in (tab, other):
            assert [text for text in one.complaints if f"'{origin}' has been blocked by CORS policy" in text]
        assert len(foreign.issued) == 1
        assert await stage.stored() == []
        own = await open_tab(context, stage.app)
        assert (await own.upload("a.txt", b"a")).startswith("stored: ")
