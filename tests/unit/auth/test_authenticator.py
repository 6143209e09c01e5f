"""The first credential of a request decides."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_network
from typing import Any

import jwt
import pytest

from uploadsvc.auth.api_keys import ApiKey
from uploadsvc.auth.authenticator import Authenticator, FixedKeyVerifier
from uploadsvc.auth.claims import ClaimRules
from uploadsvc.auth.jwt import MAX_TOKEN_CHARACTERS, secret_verifier
from uploadsvc.auth.request import AuthRequest, RawHeaders
from uploadsvc.auth.trusted_header import TrustedHeader
from uploadsvc.domain.errors import Forbidden, Unauthenticated, ValidationFailed
from uploadsvc.domain.keys import encode_user
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.jwts import DEMO, UPLOAD, ServiceTokens

SECRET = b"s" * 32
KEYS = (ApiKey(name="billing", digest=sha256(b"good-key").digest(), policies=frozenset({"avatars"})),)


def system_clock() -> datetime:
    return datetime.now(UTC)


JWTS = FixedKeyVerifier(
    secret_verifier(SECRET, algorithms=(), rules=ClaimRules(clock=system_clock)), clock=system_clock
)
DEMO_TOKENS = ServiceTokens([b"d" * 32], kind=DEMO, clock=system_clock)
UPLOAD_TOKENS = ServiceTokens([b"u" * 32], kind=UPLOAD, clock=system_clock)
ORIGIN = "https://app.example"


def callers(**parts: Any) -> Authenticator:  # noqa: ANN401 - any of its fields
    """Return an authenticator with only these parts."""
    return Authenticator(**{"jwts": None, "demo_tokens": None, "upload_tokens": UPLOAD_TOKENS, **parts})


BOTH = callers(jwts=JWTS, api_keys=KEYS)
TOKENS = callers(jwts=JWTS)
SERVICES = callers(api_keys=KEYS)
DEMO_ONLY = callers(demo_tokens=DEMO_TOKENS)
ALL = callers(
    jwts=JWTS,
    demo_tokens=DEMO_TOKENS,
    api_keys=KEYS,
    cookie="session",
    trusted_header=TrustedHeader(name="x-user", proxies=(ip_network("10.0.0.0/24"), ip_network("fd00::/8"))),
    allowed_origins=frozenset({ORIGIN}),
)

SERVICE = {"x-api-key": "good-key", "x-on-behalf-of": "bob"}


def a_token(user: str = "ann") -> str:
    return jwt.encode({"sub": user, "exp": datetime.now(UTC) + timedelta(minutes=1)}, SECRET)


def a_demo_token() -> str:
    return DEMO_TOKENS.issue("demo", expires_at=datetime.now(UTC) + timedelta(minutes=1))


def a_call(
    headers: Mapping[str, str] | list[tuple[str, str]], *, method: str = "POST", peer: str | None = None
) -> AuthRequest:
    """Return a request with these headers."""
    pairs = headers if isinstance(headers, list) else list(headers.items())
    raw = [(name.lower().encode(), value.encode("latin-1", "surrogateescape")) for name, value in pairs]
    return AuthRequest(method=method, headers=RawHeaders(raw), peer=peer)


async def accepted(
    authenticator: Authenticator, headers: Mapping[str, str], *, method: str = "POST", peer: str | None = None
) -> Principal:
    """Return the authenticated caller."""
    return await authenticator.authenticate(a_call(headers, method=method, peer=peer))


async def refused(authenticator: Authenticator, headers: dict[str, str]) -> str:
    """Return the detail of the refusal."""
    with pytest.raises(Unauthenticated) as caught:
        await authenticator.authenticate(a_call(headers))
    return caught.value.detail


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
async def test_a_bearer_token_names_the_user(scheme: str) -> None:
    """The scheme may be in any case."""
    principal = await accepted(BOTH, {"authorization": f"{scheme} {a_token()}"})
    assert (principal.user, principal.policies) == ("ann", None)


async def test_an_api_key_names_the_user() -> None:
    principal = await accepted(BOTH, SERVICE)
    assert (principal.user, principal.policies) == ("bob", frozenset({"avatars"}))


async def test_a_bearer_token_comes_before_an_api_key() -> None:
    headers = {"authorization": f"Bearer {a_token()}", **SERVICE}
    assert (await accepted(ALL, headers)).user == "ann"


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer a.b.c", "good-key"]
)
async def test_a_bad_credential_does_not_fall_through(authorization: str) -> None:
    for authenticator in (BOTH, ALL, SERVICES):
        await refused(authenticator, {"authorization": authorization, **SERVICE})


async def test_a_bad_api_key_is_refused() -> None:
    """A valid key without a user gets its own error."""
    assert "no such API key" in await refused(BOTH, {"x-api-key": "x", "x-on-behalf-of": "bob"})
    assert "no such API key" in await refused(BOTH, {"x-api-key": "", "x-on-behalf-of": "bob"})
    with pytest.raises(ValidationFailed):
        await accepted(BOTH, {"x-api-key": "good-key"})


@pytest.mark.parametrize(
    ("authenticator", "named", "unnamed"),
    [
        (BOTH, ["Bearer", "X-API-Key"], []),
        (TOKENS, ["Bearer"], ["X-API-Key"]),
        (SERVICES, ["X-API-Key"], ["Bearer"]),
        (DEMO_ONLY, ["Bearer"], ["X-API-Key"]),
    ],
)
async def test_a_request_without_credentials_is_told_what_to_send(
    authenticator: Authenticator, named: list[str], unnamed: list[str]
) -> None:
    """Only the configured ways are named."""
    detail = await refused(authenticator, {"x-on-behalf-of": "bob", "cookie": "token=x"})
    assert all(name in detail for name in named)
    assert not any(name in detail for name in unnamed)


async def test_credentials_that_are_not_configured_are_refused() -> None:
    assert "No credential" in await refused(TOKENS, SERVICE)
    assert "Only upload tokens" in await refused(SERVICES, {"authorization": f"Bearer {a_token()}"})
    assert "Only upload tokens" in await refused(DEMO_ONLY, {"authorization": f"Bearer {a_token()}"})


async def test_a_demo_token_is_accepted_only_in_demo_mode() -> None:
    """Its key is separate, and other tokens work as before."""
    demo = {"authorization": f"Bearer {a_demo_token()}"}
    assert (await accepted(ALL, demo)).user == "demo"
    assert (await accepted(DEMO_ONLY, demo)).user == "demo"
    assert (await accepted(ALL, {"authorization": f"Bearer {a_token()}"})).user == "ann"
    await refused(BOTH, demo)
    forged = jwt.encode(
        {"sub": "ann", "exp": datetime.now(UTC) + timedelta(minutes=1)},
        SECRET,
        headers={"typ": "uploadsvc-demo+jwt"},
    )
    await refused(ALL, {"authorization": f"Bearer {forged}"})


async def test_a_token_that_is_too_long_is_refused() -> None:
    room = MAX_TOKEN_CHARACTERS - len(a_token(""))
    long = a_token("u" * (room * 3 // 4))
    assert len(long) <= MAX_TOKEN_CHARACTERS
    assert (await accepted(BOTH, {"authorization": f"Bearer {long}"})).user.startswith("u")
    assert "at most 8192" in await refused(BOTH, {"authorization": f"Bearer {a_token('u' * room)}"})


def by_cookie(**headers: str) -> dict[str, str]:
    """Return the headers of a browser with the cookie."""
    return {
        "cookie": f"theme=dark; session={a_token()}; x",
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }


@pytest.mark.parametrize(
    ("headers", "method", "allowed"),
    [
        ({}, "GET", True),
        ({}, "HEAD", True),
        ({"sec_fetch_site": "cross-site"}, "GET", True),
        ({}, "POST", False),
        ({}, "DELETE", False),
        ({"sec_fetch_site": "same-origin"}, "POST", True),
        ({"sec_fetch_site": "same-origin"}, "DELETE", True),
        ({"sec_fetch_site": "same-site"}, "POST", False),
        ({"sec_fetch_site": "cross-site"}, "POST", False),
        ({"sec_fetch_site": "none"}, "POST", False),
        ({"sec_fetch_site": "cross-site", "origin": ORIGIN}, "POST", True),
        ({"origin": ORIGIN}, "POST", True),
        ({"origin": "https://evil.example"}, "POST", False),
        ({"origin": f"{ORIGIN}.evil.example"}, "POST", False),
        ({"origin": "null"}, "POST", False),
        ({"origin": ""}, "POST", False),
        # Without Sec-Fetch-Site (plain HTTP), the page's host must be the one that was called.
        ({"origin": "http://nas.local", "host": "nas.local"}, "POST", True),
        ({"origin": "http://nas.local", "host": "NAS.local:80"}, "DELETE", True),
        ({"origin": "http://nas.local:8000", "host": "nas.local:8000"}, "POST", True),
        ({"origin": "http://[fd00::1]:8000", "host": "[fd00::1]:8000"}, "POST", True),
        ({"origin": "https://nas.local", "host": "nas.local"}, "POST", True),
        ({"origin": "https://nas.local", "host": "nas.local:443"}, "POST", True),
        ({"origin": "http://nas.local:8000", "host": "nas.local"}, "POST", False),
        ({"origin": "http://nas.local", "host": "nas.local:8000"}, "POST", False),
        ({"origin": "http://nas.local", "host": "nas.local:443"}, "POST", False),
        ({"origin": "http://evil.example", "host": "nas.local"}, "POST", False),
        ({"origin": "http://nas.local.evil.example", "host": "nas.local"}, "POST", False),
        (
            {"origin": "http://evil", "host": "nas.local", "x_forwarded_host": "evil"},
            "POST",
            False,
        ),
        ({"origin": "ftp://nas.local", "host": "nas.local"}, "POST", False),
        ({"origin": "null", "host": "null"}, "POST", False),
        ({"origin": "http://", "host": ""}, "POST", False),
        ({"host": "nas.local"}, "POST", False),
        # With it, the browser has decided.
        ({"origin": "http://nas.local", "host": "nas.local", "sec_fetch_site": "cross-site"}, "POST", False),
        ({"origin": "http://nas.local", "host": "nas.local", "sec_fetch_site": "none"}, "POST", False),
        # A host that is known to be https has no pages by http.
        ({"origin": ORIGIN.replace("https", "http"), "host": ORIGIN[8:]}, "POST", False),
        ({"origin": ORIGIN, "host": ORIGIN[8:]}, "POST", True),
    ],
)
async def test_a_cookie_writes_only_for_its_own_site(
    headers: dict[str, str], method: str, *, allowed: bool
) -> None:
    """A browser sends the cookie with any site's request, so it must name the site."""
    call = a_call(by_cookie(**headers), method=method)
    if allowed:
        assert (await ALL.authenticate(call)).user == "ann"
        return
    with pytest.raises(Forbidden, match="same-origin"):
        await ALL.authenticate(call)


@pytest.mark.parametrize("name", ["origin", "host"])
async def test_a_write_with_two_origins_or_hosts_is_refused(name: str) -> None:
    """A proxy may have checked the other one."""
    headers = by_cookie(origin="http://nas.local", host="nas.local")
    assert (await ALL.authenticate(a_call(headers))).user == "ann"
    with pytest.raises(Unauthenticated, match="more than once"):
        await ALL.authenticate(a_call([*headers.items(), (name, headers[name])]))


async def test_a_cookie_counts_only_under_its_configured_name() -> None:
    """A bad one is refused rather than ignored."""
    assert "No credential" in await refused(BOTH, by_cookie())
    assert "No credential" in await refused(ALL, {"cookie": f"Session={a_token()}; sessions=x; session"})
    same = {"sec_fetch_site": "same-origin"}
    for cookie in ("session=", "session=x", f"session={a_token()[:-2]}"):
        detail = await refused(ALL, {**by_cookie(**same), "cookie": cookie})
        assert "malformed" in detail
    assert (await accepted(ALL, {"cookie": f'session="{a_token()}"'}, method="GET")).user == "ann"
    assert "at most" in await refused(ALL, {**by_cookie(**same), "cookie": "session=" + "a" * 9000})


async def test_two_different_cookies_of_one_name_are_refused() -> None:
    """A sibling domain may have set one of them."""
    pairs = f"session={a_token()}; session={a_token('eve')}"
    with pytest.raises(Unauthenticated, match="more than once"):
        await accepted(ALL, {"cookie": pairs}, method="GET")
    twice = a_token()
    assert (await accepted(ALL, {"cookie": f"session={twice}; session={twice}"}, method="GET")).user == "ann"
    headers = [("cookie", f"session={a_token()}"), ("cookie", f"session={a_token('eve')}")]
    with pytest.raises(Unauthenticated, match="more than once"):
        await ALL.authenticate(a_call(headers, method="GET"))


@pytest.mark.parametrize(
    ("peer", "user"),
    [
        ("10.0.0.7", "ann"),
        ("::ffff:10.0.0.7", "ann"),
        ("fd00::1", "ann"),
        ("10.0.1.7", None),
        ("127.0.0.1", None),
        ("::1", None),
        ("testclient", None),
        ("", None),
        (None, None),
    ],
)
async def test_only_a_trusted_proxy_names_the_user(peer: str | None, user: str | None) -> None:
    """From anywhere else, the header is ignored."""
    call = a_call({"x-user": "ann", "x-forwarded-for": "10.0.0.7"}, peer=peer)
    if user is not None:
        assert (await ALL.authenticate(call)).user == user
        return
    with pytest.raises(Unauthenticated, match="No credential"):
        await ALL.authenticate(call)


@pytest.mark.parametrize(
    "headers",
    [
        [("x-user", "")],
        [("x-user", "\xff")],
        [("x-user", "ann"), ("x-user", "eve")],
        [("x-user", "ann"), ("X-User", "ann")],
    ],
)
async def test_a_proxy_must_name_one_user_in_utf8(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(Unauthenticated):
        await ALL.authenticate(a_call(headers, peer="10.0.0.7"))


async def test_a_proxied_user_may_have_any_name() -> None:
    """ASGI servers decode headers as Latin-1, and the bytes are UTF-8."""
    headers = {"x-user": "zoë@example.com".encode().decode("latin-1")}
    assert (await accepted(ALL, headers, peer="10.0.0.7")).user == "zoë@example.com"


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": ORIGIN}, True),
        ({"origin": ORIGIN}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        # Of a name that an attacker points at the proxy (DNS rebinding).
        ({"origin": "http://evil.example", "host": "evil.example"}, False),
    ],
)
async def test_a_proxied_write_of_another_site_is_refused(headers: dict[str, str], *, allowed: bool) -> None:
    """Programs send neither header, and may write."""
    call = a_call({"x-user": "ann", **headers}, peer="10.0.0.7")
    if allowed:
        assert (await ALL.authenticate(call)).user == "ann"
        return
    with pytest.raises(Forbidden):
        await ALL.authenticate(call)


async def test_the_first_credential_in_order_decides() -> None:
    """Bearer token, API key, cookie, proxy. A bad one is not replaced by the next."""
    proxied = {"x-user": "pat"}
    cookie = {"cookie": f"session={a_token('cat')}", "sec-fetch-site": "same-origin"}
    bearer = {"authorization": f"Bearer {a_token('ben')}"}
    present: dict[str, str] = {}
    for headers, user in ((proxied, "pat"), (cookie, "cat"), (SERVICE, "bob"), (bearer, "ben")):
        present |= headers
        assert (await accepted(ALL, present, peer="10.0.0.7")).user == user
    bad = [{"authorization": "Bearer x"}, {"x-api-key": "x"}, {"cookie": "session=x"}]
    for number, headers in enumerate(bad):
        following = [SERVICE, cookie, proxied][number:]
        merged = {name: value for one in following for name, value in one.items()} | headers
        with pytest.raises(Unauthenticated):
            await accepted(ALL, {**merged, "sec-fetch-site": "same-origin"}, peer="10.0.0.7")


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "x-on-behalf-of"])
async def test_a_credential_sent_twice_is_refused(name: str) -> None:
    """A proxy may have read the other one."""
    headers = {"authorization": f"Bearer {a_token()}"} if name == "authorization" else SERVICE
    pairs = [*headers.items(), (name, headers[name])]
    with pytest.raises(Unauthenticated, match="more than once"):
        await BOTH.authenticate(a_call(pairs))


async def test_an_upload_token_is_a_bearer_token() -> None:
    """It works without an identity provider, but not as cookie or API key."""
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=1)
    token = UPLOAD_TOKENS.issue("ann", frozenset({"avatars"}), expires_at=ends)
    for authenticator in (ALL, SERVICES, TOKENS, DEMO_ONLY):
        principal = await accepted(authenticator, {"authorization": f"Bearer {token}"})
        expected = Principal(
            user="ann", policies=frozenset({"avatars"}), kind="upload_token", expires_at=ends
        )
        assert principal == expected
    await refused(ALL, {"cookie": f"session={token}", "sec-fetch-site": "same-origin"})
    await refused(ALL, {"x-api-key": token, "x-on-behalf-of": "ann"})


async def test_a_service_may_omit_the_user_only_if_none_is_needed() -> None:
    """The empty user owns no prefix."""
    principal = await BOTH.authenticate(a_call({"x-api-key": "good-key"}), user_needed=False)
    expected = Principal(user="", policies=frozenset({"avatars"}), kind="service", service="billing")
    assert principal == expected
    with pytest.raises(Forbidden):
        encode_user(principal.user)
    principal = await BOTH.authenticate(a_call(SERVICE), user_needed=False)
    assert principal.user == "bob"
