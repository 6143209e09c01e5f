"""A user authenticated by cookie: an allowed app may act for them, a page of another site may not."""

import pytest
from playwright.async_api import BrowserContext
from tests.support.identity_provider import IdentityProvider
from tests.support.servers import S3Server
from tests.support.stories.serving import served
from tests.support.stories.single_page_app import SinglePageApp
from tests.support.stories.stage import Stage, staged
from tests.support.stories.tabs import Tab, open_tab

# What a browser may send along with a form of another site. SameSite=None has to be Secure, which a loopback
# address may set without TLS; a cookie without SameSite goes along with forms for its first two minutes.
SENT_ACROSS_SITES = ["; SameSite=None; Secure", ""]


async def submit(context: BrowserContext, origin: str, action: str) -> tuple[int, dict[str, str]]:
    """Press the button of a form of this origin; return the answer's status, and what was sent."""
    tab = await open_tab(context, f"{origin}/form?action={action}")
    async with tab.page.expect_response(action) as answered:
        await tab.page.get_by_role("button").click()
    answer = await answered.value
    return answer.status, await answer.request.all_headers()


async def uploaded(context: BrowserContext, stage: Stage) -> tuple[Tab, str]:
    """Upload a file in the app; return its tab, and the address that completes the upload."""
    tab = await open_tab(context, stage.app)
    assert (await tab.upload("a.txt", b"by cookie")).startswith("stored: uploads/alice/")
    (complete,) = [one.url for one in tab.requests if one.url.endswith("/complete")]
    return tab, complete


@pytest.mark.parametrize("attributes", [*SENT_ACROSS_SITES, "; SameSite=Lax"], ids=["none", "unset", "lax"])
async def test_the_allowed_app_uploads_by_cookie(
    context: BrowserContext, provider: IdentityProvider, s3: S3Server, attributes: str
) -> None:
    """From another origin, without ever seeing the token; S3, on the same host, is not sent the cookie."""
    spa = SinglePageApp(provider=provider, user="alice", signed_in_by="cookie", cookie_attributes=attributes)
    async with staged(s3, spa) as stage:
        tab, _ = await uploaded(context, stage)
        sent = await tab.headers_sent(stage.service)
        assert "cookie" in sent
        assert "authorization" not in sent
        assert "cookie" not in await tab.headers_sent(stage.s3.endpoint_url)
        assert [claims["sub"] for claims in spa.receipts] == ["alice"]
        assert await stage.stored() == [b"by cookie"]
        assert tab.complaints == []


@pytest.mark.parametrize("attributes", SENT_ACROSS_SITES, ids=["none", "unset"])
async def test_a_form_of_another_site_completes_nothing(
    context: BrowserContext, provider: IdentityProvider, s3: S3Server, attributes: str
) -> None:
    """The browser sends the cookie with it; the same form in the allowed app is taken."""
    spa = SinglePageApp(provider=provider, user="alice", signed_in_by="cookie", cookie_attributes=attributes)
    async with staged(s3, spa) as stage:
        _, complete = await uploaded(context, stage)
        foreign = SinglePageApp(provider=provider, user="mallory")
        async with served(foreign.app, host="localhost") as origin:
            status, sent = await submit(context, origin, complete)
        assert "cookie" in sent
        assert (sent["sec-fetch-site"], sent["origin"]) == ("cross-site", origin)
        assert status == 403
        status, sent = await submit(context, stage.app, complete)
        assert sent["sec-fetch-site"] == "same-site"
        assert status == 200


async def test_a_form_of_another_origin_of_this_site_completes_nothing(
    context: BrowserContext, provider: IdentityProvider, s3: S3Server
) -> None:
    """Another port is the same site, and gets every cookie; but it is not allowed."""
    spa = SinglePageApp(
        provider=provider, user="alice", signed_in_by="cookie", cookie_attributes="; SameSite=Strict"
    )
    async with staged(s3, spa) as stage:
        _, complete = await uploaded(context, stage)
        async with served(SinglePageApp(provider=provider, user="mallory").app) as origin:
            status, sent = await submit(context, origin, complete)
        assert "cookie" in sent
        assert sent["sec-fetch-site"] == "same-site"
        assert status == 403
