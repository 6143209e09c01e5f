"""Discovery of published keys, and limits on what is read."""

import gzip
import json
from collections.abc import AsyncIterator, Callable
from itertools import repeat
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from tests.support.identity_provider import (
    DISCOVERY_PATH,
    JWKS_PATH,
    IdentityProvider,
    identity_provider,
    signing_key,
)
from tests.support.jwks_endpoint import URL, Clock, Endpoint, in_chunks, settled, verifier_of

from uploadsvc.auth.discovery import MAX_ANSWER_BYTES, JwksUrl, OidcIssuer
from uploadsvc.auth.jwks import COOLDOWN
from uploadsvc.domain.errors import IdentityProviderUnavailable

ISSUER = "https://idp.example/realm"
METADATA_URL = ISSUER + DISCOVERY_PATH
KEYS = {"keys": [signing_key("ES256", 1).jwk]}
# Made when the tests are collected, which may be long before one runs.
TOKEN = IdentityProvider(issuer=ISSUER, keys=[signing_key("ES256", 1)]).token(exp=4_000_000_000)


async def outcome(
    answer: Callable[[httpx.Request], httpx.Response], source: JwksUrl | OidcIssuer | str = URL
) -> tuple[str, list[str]]:
    """Return why a fetch failed, or that it succeeded, and the requested URLs."""
    endpoint = Endpoint(answer)
    with capture_logs() as logs:
        async with verifier_of(source, Clock(), endpoint) as verifier:
            await settled(verifier)
            if logs[0]["event"] == "jwks_fetched":
                assert (await verifier.verify(TOKEN)).user == "alice"
            else:
                with pytest.raises(IdentityProviderUnavailable):
                    await verifier.verify(TOKEN)
    assert len(logs) == 1
    assert not endpoint.given_up
    return logs[0].get("reason", "fetched"), endpoint.urls


def padded(size: int) -> bytes:
    """Return a valid set of exactly this many bytes."""
    body = json.dumps(KEYS).encode()
    return body + b" " * (size - len(body))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (httpx.Response(200, json=KEYS), "fetched"),
        (httpx.Response(200, content=padded(MAX_ANSWER_BYTES)), "fetched"),
        (httpx.Response(200, json=KEYS, headers={"Content-Type": "text/plain"}), "fetched"),
        (httpx.Response(200, content=padded(MAX_ANSWER_BYTES + 1)), "more than 524288 bytes"),
        (httpx.Response(201, json=KEYS), "status 201"),
        (httpx.Response(203, json=KEYS), "status 203"),
        (httpx.Response(204), "status 204"),
        (httpx.Response(301, json=KEYS, headers={"Location": "https://idp.example/x"}), "status 301"),
        (httpx.Response(308, json=KEYS, headers={"Location": "/x"}), "status 308"),
        (httpx.Response(302, json=KEYS, headers={"Location": "https://xn--/"}), "IDNAError"),
        (httpx.Response(404, json=KEYS), "status 404"),
        (httpx.Response(503, json=KEYS, headers={"Retry-After": "1"}), "status 503"),
        (httpx.Response(200, content=b""), "no JSON object"),
        (httpx.Response(200, content=b"\xff\xfe{}"), "no JSON object"),
        (httpx.Response(200, content=b"[" * 400_000), "no JSON object"),
        (httpx.Response(200, content=b'{"keys":' + b"9" * 400_000 + b"}"), "no JSON object"),
        (httpx.Response(200, json=KEYS["keys"]), "no JSON object"),
        (httpx.Response(200, json="keys"), "no JSON object"),
        (httpx.Response(200, json=None), "no JSON object"),
        (httpx.Response(200, json={}), "no list of keys"),
        (httpx.Response(200, json={"keys": None}), "no list of keys"),
        (httpx.Response(200, json={"keys": {"a": KEYS["keys"][0]}}), "no list of keys"),
        (
            httpx.Response(
                200,
                content=gzip.compress(json.dumps(KEYS).encode()),
                headers={"Content-Encoding": "gzip"},
            ),
            "compressed, although the request did not allow that",
        ),
    ],
)
async def test_only_a_small_json_object_with_keys_is_accepted(answer: httpx.Response, reason: str) -> None:
    """Anything else is a failed fetch of one request."""

    def given(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "identity"
        assert "authorization" not in request.headers
        return answer

    assert await outcome(given) == (reason, [URL])


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("no"),
        httpx.ReadTimeout("no"),
        httpx.RemoteProtocolError("no"),
        httpx.ProxyError("no"),
        OSError("no"),
        TimeoutError("no"),
        UnicodeError("no"),
    ],
)
async def test_every_network_error_is_a_failed_fetch(error: Exception) -> None:
    """The log has its class, but not its text."""

    def failing(_: httpx.Request) -> httpx.Response:
        raise error

    assert await outcome(failing) == (type(error).__name__, [URL])


async def test_reading_stops_at_the_limit() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        async for chunk in in_chunks(repeat(b" " * 65_536)):
            read += len(chunk)
            yield chunk

    assert (await outcome(lambda _: httpx.Response(200, content=endless())))[0] == "more than 524288 bytes"
    assert read == MAX_ANSWER_BYTES + 65_536


def provider_of(**metadata: object) -> Callable[[httpx.Request], httpx.Response]:
    """Return an OpenID provider's answers: metadata at their URL, keys at every other."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(DISCOVERY_PATH):
            return httpx.Response(200, json={"issuer": ISSUER, "jwks_uri": URL, **metadata})
        return httpx.Response(200, json=KEYS)

    return answer


async def test_the_keys_are_fetched_from_the_url_in_the_metadata() -> None:
    """It may have another host and port."""
    assert await outcome(provider_of(scopes_supported=["x"]), OidcIssuer(ISSUER)) == (
        "fetched",
        [METADATA_URL, URL],
    )
    elsewhere = "https://keys.example:8443/v2/keys?tenant=1"
    assert await outcome(provider_of(jwks_uri=elsewhere), OidcIssuer(ISSUER)) == (
        "fetched",
        [METADATA_URL, elsewhere],
    )


@pytest.mark.parametrize(
    "issuer", [ISSUER + "/", "https://IDP.example/realm", "https://evil.example", "", None, [ISSUER], 1]
)
async def test_metadata_of_another_issuer_are_refused(issuer: object) -> None:
    """Issuers are compared character by character."""
    reason, urls = await outcome(provider_of(issuer=issuer), OidcIssuer(ISSUER))
    assert reason == "the metadata is that of another issuer"
    assert urls == [METADATA_URL]


@pytest.mark.parametrize(
    ("jwks_uri", "reason"),
    [
        (None, "the metadata has no usable jwks_uri"),
        (7, "the metadata has no usable jwks_uri"),
        ([URL], "the metadata has no usable jwks_uri"),
        ("", "the metadata has no usable jwks_uri"),
        ("/jwks.json", "the metadata has no usable jwks_uri"),
        ("//idp.example/jwks.json", "the metadata has no usable jwks_uri"),
        ("https:///jwks.json", "the metadata has no usable jwks_uri"),
        ("file:///etc/passwd", "the metadata has no usable jwks_uri"),
        ("data:application/json,{}", "the metadata has no usable jwks_uri"),
        ("ftp://idp.example/jwks.json", "the metadata has no usable jwks_uri"),
        ("https://user:password@idp.example/", "the metadata has no usable jwks_uri"),
        ("https://idp.example:99999/", "the metadata has no usable jwks_uri"),
        ("https://idp.example:x/", "the metadata has no usable jwks_uri"),
        ("https://xn--/", "the metadata has no usable jwks_uri"),
        ("https://idp.example/\x00", "the metadata has no usable jwks_uri"),
        ("https://idp.example/" + "a" * 70_000, "the metadata has no usable jwks_uri"),
        ("http://idp.example/jwks.json", "jwks_uri must use https, like the issuer"),
    ],
)
async def test_an_unusable_jwks_uri_is_not_fetched(jwks_uri: object, reason: str) -> None:
    """It must be absolute, and https if the issuer is."""
    assert await outcome(provider_of(jwks_uri=jwks_uri), OidcIssuer(ISSUER)) == (reason, [METADATA_URL])


@pytest.mark.parametrize(
    ("issuer", "asked"),
    [
        ("https://idp.example", "https://idp.example/.well-known/openid-configuration"),
        ("https://idp.example/", "https://idp.example/.well-known/openid-configuration"),
        ("https://idp.example/a/b/", "https://idp.example/a/b/.well-known/openid-configuration"),
        ("http://idp.example:8080/a", "http://idp.example:8080/a/.well-known/openid-configuration"),
    ],
)
async def test_a_slash_at_the_end_of_the_issuer_is_not_doubled(issuer: str, asked: str) -> None:
    """OpenID Connect Discovery 1.0 section 4.1. Comparisons keep it."""
    endpoint = Endpoint(provider_of(issuer=issuer))
    async with verifier_of(OidcIssuer(issuer), Clock(), endpoint) as verifier:
        token = IdentityProvider(issuer=issuer, keys=[signing_key("ES256", 1)]).token()
        assert (await verifier.verify(token)).user == "alice"
    assert endpoint.urls == [asked, URL]


async def test_an_http_issuer_may_publish_its_keys_by_https() -> None:
    source = OidcIssuer("http://idp.example")
    answer = provider_of(issuer=source.issuer)
    endpoint = Endpoint(answer)
    async with verifier_of(source, Clock(), endpoint) as verifier:
        await settled(verifier)
    assert endpoint.urls[1] == URL


async def test_metadata_are_fetched_again_every_time() -> None:
    """So keys that moved are found."""
    clock = Clock()
    async with identity_provider() as provider:
        async with verifier_of(OidcIssuer(provider.issuer), clock) as verifier:
            await verifier.verify(provider.token())
            async with identity_provider() as moved:
                moved.keys[:] = [signing_key("RS256", 7)]
                provider.metadata["jwks_uri"] = moved.jwks_url
                token = moved.token(iss=provider.issuer)
                clock.now += COOLDOWN
                assert (await verifier.verify(token)).user == "alice"
                assert moved.requests == [JWKS_PATH]
            provider.metadata["jwks_uri"] = None
            clock.now += COOLDOWN
            with pytest.raises(IdentityProviderUnavailable):
                await verifier.verify(provider.token())
            assert (await verifier.verify(token)).user == "alice"
        assert provider.requests == [DISCOVERY_PATH, JWKS_PATH, DISCOVERY_PATH, DISCOVERY_PATH]


NO_URLS: list[Any] = [
    "",
    "idp.example",
    "/jwks.json",
    "//idp.example",
    "ftp://idp.example",
    "https://",
    "https://user:password@idp.example",
    "https://idp.example/#x",
    "https://idp.example:99999",
    "https://idp.example:x",
    "https://idp.example/\n",
    None,
]


@pytest.mark.parametrize("url", NO_URLS)
async def test_a_source_must_be_an_absolute_url_without_password(url: Any) -> None:  # noqa: ANN401 - any wrong value
    """The message does not repeat it."""
    for source in (JwksUrl, OidcIssuer):
        with pytest.raises(ValueError, match=r"not an absolute http\(s\) URL") as caught:
            source(url)
        assert "password" not in str(caught.value)


async def test_an_issuer_must_not_have_a_query() -> None:
    """The well-known path would end up in it. A JWKS URL may have one."""
    with pytest.raises(ValueError, match="query"):
        OidcIssuer("https://idp.example?tenant=1")
    assert await outcome(lambda _: httpx.Response(200, json=KEYS), URL + "?tenant=1") == (
        "fetched",
        [URL + "?tenant=1"],
    )
