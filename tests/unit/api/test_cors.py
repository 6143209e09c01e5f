"""CORS: which web pages may call the API from a browser."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.support.api import assert_problem, s3_that_is_down
from tests.support.service import JWT_SECRET, service_client, settings_for, token_for

from uploadsvc.domain.cors import TRACING_HEADERS

ORIGIN = "https://app.example.com"
OTHERS = [
    "https://evil.example",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com.evil.example",
    "https://sub.app.example.com",
    "null",
]
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-request-id",
}


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app that allows one origin."""
    async with service_client(settings_for(s3_that_is_down(), cors={"allow_origins": [ORIGIN]})) as client:
        yield client


async def test_a_preflight_of_the_allowed_origin_needs_no_credential(api: httpx.AsyncClient) -> None:
    """Browsers send preflights without one. The response names the origin, methods and headers."""
    del api.headers["authorization"]
    answer = await api.options("/v1/uploads", headers={"Origin": ORIGIN, **PREFLIGHT})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-methods"] == "GET, POST, DELETE"
    allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type", "x-request-id", "x-api-key", "x-on-behalf-of"} <= allowed
    assert answer.headers["access-control-max-age"] == "3600"
    assert "access-control-allow-credentials" not in answer.headers
    assert "origin" in answer.headers["vary"].lower()


@pytest.mark.parametrize("origin", OTHERS)
async def test_other_origins_are_not_allowed(api: httpx.AsyncClient, origin: str) -> None:
    """However similar the name, neither a preflight nor a response allows it."""
    preflight = await api.options("/v1/uploads", headers={"Origin": origin, **PREFLIGHT})
    answer = await api.get("/healthz", headers={"Origin": origin})
    assert preflight.status_code == 400
    assert answer.status_code == 200
    for one in (preflight, answer):
        assert "access-control-allow-origin" not in one.headers


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_preflights_of_unused_methods_are_refused(api: httpx.AsyncClient, method: str) -> None:
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": method}
    assert (await api.options("/v1/uploads", headers=headers)).status_code == 400


async def test_the_allowed_origin_may_read_errors_and_their_headers(api: httpx.AsyncClient) -> None:
    """A single-page app can read the problem, the request id, `Retry-After` and `RateLimit`."""
    answer = await api.get("/nowhere", headers={"Origin": ORIGIN})
    assert_problem(answer, "not_found")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-expose-headers"] == (
        "RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"
    )
    assert "origin" in answer.headers["vary"].lower()


@pytest.mark.parametrize("name", [*sorted(TRACING_HEADERS), "x-own"])
async def test_pages_that_trace_requests_may_call(name: str) -> None:
    """Their libraries add headers to every request. The settings can name more."""
    cors = {"allow_origins": [ORIGIN], "allow_headers": "X-Own"}
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": f"authorization,{name}",
    }
    async with service_client(settings_for(s3_that_is_down(), cors=cors)) as client:
        answer = await client.options("/v1/uploads", headers={"Origin": ORIGIN, **asked})
        assert answer.status_code == 200
        asked["Access-Control-Request-Headers"] = "x-other"
        answer = await client.options("/v1/uploads", headers={"Origin": ORIGIN, **asked})
        assert answer.status_code == 400


async def test_headers_of_tracing_are_the_known_ones() -> None:
    """OpenTelemetry, Zipkin, Datadog, New Relic, Sentry, AWS X-Ray, Azure."""
    known = {"traceparent", "tracestate", "baggage", "b3", "x-b3-traceid", "x-datadog-trace-id", "newrelic"}
    assert known | {"sentry-trace", "x-amzn-trace-id", "request-id"} <= TRACING_HEADERS


async def test_a_pattern_allows_previews_and_an_app_is_allowed_by_its_scheme() -> None:
    """Each response names the origin that asked."""
    cors = {
        "allow_origins": ["https://my-app-*.vercel.app", "capacitor://localhost"],
        "allow_credentials": True,
    }
    async with service_client(settings_for(s3_that_is_down(), cors=cors)) as client:
        for origin in ("https://my-app-git-main.vercel.app", "capacitor://localhost"):
            preflight = await client.options("/v1/uploads", headers={"Origin": origin, **PREFLIGHT})
            answer = await client.get("/healthz", headers={"Origin": origin})
            for one in (preflight, answer):
                assert one.status_code == 200
                assert one.headers["access-control-allow-origin"] == origin
                assert "origin" in one.headers["vary"].lower()
        for origin in (
            "https://other.vercel.app",
            "https://my-app-a.vercel.app.evil.example",
            "ionic://localhost",
        ):
            preflight = await client.options("/v1/uploads", headers={"Origin": origin, **PREFLIGHT})
            assert preflight.status_code == 400
            answer = await client.get("/healthz", headers={"Origin": origin})
            assert "access-control-allow-origin" not in answer.headers


async def test_a_pattern_counts_for_writes_by_cookie_too() -> None:
    settings = settings_for(
        s3_that_is_down(),
        auth={"jwt": {"secret": JWT_SECRET, "cookie": "session"}},
        cors={"allow_origins": ["https://my-app-*.vercel.app"]},
    )
    async with service_client(settings, user=None) as client:
        client.cookies.set("session", token_for("carol"))
        for origin, status in (("https://my-app-7.vercel.app", 201), ("https://other.vercel.app", 403)):
            answer = await client.post("/v1/uploads", json={}, headers={"Origin": origin})
            assert answer.status_code == status


async def test_cors_is_off_by_default() -> None:
    async with service_client(settings_for(s3_that_is_down())) as client:
        answer = await client.options("/v1/uploads", headers={"Origin": ORIGIN, **PREFLIGHT})
    assert_problem(answer, "method_not_allowed")
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_credentials_can_be_allowed() -> None:
    """The response then names the origin in place of `*`."""
    cors = {"allow_origins": [ORIGIN], "allow_credentials": True}
    async with service_client(settings_for(s3_that_is_down(), cors=cors)) as client:
        answer = await client.get("/healthz", headers={"Origin": ORIGIN, "Cookie": "a=b"})
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
