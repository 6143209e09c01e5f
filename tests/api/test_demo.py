"""The demo page is there in demo mode and nowhere else; the browser module is there always."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from structlog.testing import capture_logs
from tests.api.support import assert_problem, created, s3_that_is_down
from tests.service import authorization, service_client, settings_for

S3 = s3_that_is_down()


@pytest.fixture(scope="module")
async def demo() -> AsyncIterator[httpx.AsyncClient]:
    """Run the app in demo mode, called by nobody."""
    async with service_client(settings_for(S3, demo=True), user=None) as client:
        yield client


@pytest.fixture(scope="module")
async def plain() -> AsyncIterator[httpx.AsyncClient]:
    """Run the app as in production, called by nobody."""
    async with service_client(settings_for(S3), user=None) as client:
        yield client


async def test_the_browser_module_is_always_served(demo: httpx.AsyncClient, plain: httpx.AsyncClient) -> None:
    """As a module script that is asked for anew each time."""
    for client in (demo, plain):
        answer = await client.get("/web/uploadsvc.js")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "export" in answer.text


async def test_the_page_may_reach_only_the_service_and_the_store(demo: httpx.AsyncClient) -> None:
    """Its content security policy runs no inline script and lets nobody frame it."""
    answer = await demo.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    rules = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))
    assert rules == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": f"'self' {S3.endpoint_url}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    for name, media_type in (("demo.js", "text/javascript"), ("demo.css", "text/css")):
        assert f"/web/{name}" in answer.text
        assert (await demo.get(f"/web/{name}")).headers["content-type"].startswith(media_type)


async def test_each_demo_user_can_call(demo: httpx.AsyncClient) -> None:
    """The page is given a token for each, which works under that user's prefix and ends within a day."""
    answer = await demo.get("/demo/users")
    assert answer.headers["cache-control"] == "no-store"
    users = answer.json()["users"]
    assert [user["user"] for user in users] == ["alice", "bob"]
    for user in users:
        headers = {"Authorization": f"Bearer {user['token']}"}
        upload = created(await demo.post("/v1/uploads", json={}, headers=headers))
        assert upload["key"].startswith(f"uploads/{user['user']}/")
        ends = datetime.fromisoformat(user["expires_at"])
        assert timedelta() < ends - datetime.now(UTC) <= timedelta(days=1)


@pytest.mark.parametrize("path", ["/", "/demo/users", "/web/demo.js", "/web/demo.css", "/web/index.html"])
async def test_without_demo_mode_there_is_no_demo(plain: httpx.AsyncClient, path: str) -> None:
    """Neither the page, nor its parts, nor its users."""
    assert_problem(await plain.get(path), "not_found")


async def test_a_demo_token_is_worth_nothing_outside_demo_mode(
    demo: httpx.AsyncClient, plain: httpx.AsyncClient
) -> None:
    """Though both services have the same secret key."""
    token = (await demo.get("/demo/users")).json()["users"][0]["token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = await plain.post("/v1/uploads", json={}, headers=headers)
    assert_problem(answer, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_other_tokens_count_beside_the_demo_ones(demo: httpx.AsyncClient) -> None:
    """Demo mode adds two users; it does not replace the configured authentication."""
    upload = created(await demo.post("/v1/uploads", json={}, headers=authorization("carol")))
    assert upload["key"].startswith("uploads/carol/")
    assert_problem(await demo.post("/v1/uploads", json={}), "unauthenticated")


async def test_demo_mode_says_so_at_the_start() -> None:
    """A warning in the log, and only in demo mode."""
    for on in (True, False):
        with capture_logs() as logs:
            async with service_client(settings_for(S3, demo=on)):
                pass
        warned = [line for line in logs if line["log_level"] == "warning"]
        assert [line["event"] for line in warned] == (["demo_mode"] if on else [])
