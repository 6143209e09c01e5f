"""When published keys are fetched, and which answers callers get meanwhile."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
from structlog.testing import capture_logs
from tests.support.identity_provider import (
    DISCOVERY_PATH,
    JWKS_PATH,
    Failure,
    IdentityProvider,
    identity_provider,
    signing_key,
)
from tests.support.jwks_endpoint import KEYS_MAX_AGE, URL, Clock, Endpoint, settled, verifier_of
from tests.support.metrics import counts

from uploadsvc.auth import jwks
from uploadsvc.auth.discovery import JwksUrl, OidcIssuer
from uploadsvc.auth.jwks import COOLDOWN, MAX_AGE, JwksVerifier
from uploadsvc.domain.errors import IdentityProviderUnavailable, Unauthenticated
from uploadsvc.telemetry.metrics import Metrics

FAILURES: list[Failure] = ["error", "hang", "garbage", "redirect"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    async with identity_provider() as running:
        yield running


@pytest.fixture
async def verifier(provider: IdentityProvider, clock: Clock) -> AsyncIterator[JwksVerifier]:
    """Return a verifier with the provider's keys."""
    async with verifier_of(provider.jwks_url, clock) as opened:
        await settled(opened)
        yield opened


def good() -> httpx.Response:
    """Return a set of one key."""
    return httpx.Response(200, json={"keys": [signing_key("ES256", 1).jwk]})


def endpoint_token(serial: int = 1) -> str:
    """Return a token signed with a key; `good` publishes the first."""
    return IdentityProvider(keys=[signing_key("ES256", serial)]).token()


def made_up(provider: IdentityProvider) -> str:
    """Return a token with an unknown ``kid``."""
    return provider.token(headers={"kid": uuid4().hex})


async def refused(verifier: JwksVerifier, token: str) -> str:
    """Return the detail of the refusal."""
    with pytest.raises(Unauthenticated) as caught:
        await verifier.verify(token)
    return caught.value.detail


async def unavailable(verifier: JwksVerifier, token: str) -> int:
    """Return the seconds of ``Retry-After``; fail if there is no answer."""
    async with asyncio.timeout(20):
        with pytest.raises(IdentityProviderUnavailable) as caught:
            await verifier.verify(token)
    return caught.value.retry_after


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"])
async def test_a_token_with_a_published_key_is_accepted(algorithm: str, clock: Clock) -> None:
    """Whatever its type; by JWKS URL and by issuer."""
    async with identity_provider(algorithm) as provider:
        for source in (JwksUrl(provider.jwks_url), OidcIssuer(provider.issuer)):
            async with verifier_of(source, clock) as verifier:
                principal = await verifier.verify(provider.token("ann"))
                assert (principal.user, principal.policies, principal.kind) == ("ann", None, "user")
                assert principal.expires_at is not None
                unnamed = await verifier.verify(provider.token("bob", headers={"kid": None}))
                assert unnamed.user == "bob"
        assert provider.requests == [JWKS_PATH, DISCOVERY_PATH, JWKS_PATH]


async def test_another_claim_can_name_the_user(provider: IdentityProvider, clock: Clock) -> None:
    async with verifier_of(provider.jwks_url, clock, user_claim="email") as verifier:
        assert (await verifier.verify(provider.token(email="a@b.example"))).user == "a@b.example"


async def test_the_issuer_is_checked_if_it_is_known(provider: IdentityProvider, clock: Clock) -> None:
    """With a JWKS URL it is optional; with discovery it is always known."""
    foreign = provider.token(iss="https://other.example")
    async with verifier_of(provider.jwks_url, clock) as verifier:
        assert (await verifier.verify(foreign)).user == "alice"
    for source in (JwksUrl(provider.jwks_url), OidcIssuer(provider.issuer)):
        async with verifier_of(source, clock, issuer=provider.issuer) as verifier:
            assert (await verifier.verify(provider.token())).user == "alice"
            assert "another issuer" in await refused(verifier, foreign)
    async with verifier_of(OidcIssuer(provider.issuer), clock) as verifier:
        assert "another issuer" in await refused(verifier, foreign)


async def test_a_thousand_unknown_keys_cost_one_fetch(
    provider: IdentityProvider, verifier: JwksVerifier, clock: Clock
) -> None:
    """At most one in 30 seconds, including the first. Valid tokens still work."""
    for elapsed in (0.0, COOLDOWN - 0.001):
        clock.now = 1000.0 + elapsed
        for _ in range(500):
            assert "kid" in await refused(verifier, made_up(provider))
        assert provider.fetches == 1
    clock.now = 1000.0 + COOLDOWN
    answers = await asyncio.gather(
        *(verifier.verify(made_up(provider)) for _ in range(1000)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {Unauthenticated}
    assert provider.fetches == 2
    assert (await verifier.verify(provider.token("ann"))).user == "ann"


async def test_a_thousand_unknown_keys_cost_one_failed_fetch(
    provider: IdentityProvider, verifier: JwksVerifier, clock: Clock
) -> None:
    """Callers are told when to retry."""
    provider.failing = "error"
    clock.now += COOLDOWN
    for _ in range(500):
        assert await unavailable(verifier, made_up(provider)) == 30
    clock.now += 12.5
    assert await unavailable(verifier, made_up(provider)) == 18
    clock.now += 17.4
    assert await unavailable(verifier, made_up(provider)) == 1
    assert provider.fetches == 2
    clock.now += 0.1
    provider.failing = None
    assert "kid" in await refused(verifier, made_up(provider))
    assert provider.fetches == 3


async def test_a_known_token_of_a_withdrawn_key_is_forgotten(
    provider: IdentityProvider, verifier: JwksVerifier, clock: Clock
) -> None:
    """Callers with known tokens alone still keep the keys fresh."""
    old = provider.token("old")
    assert verifier.known(old) is None
    await verifier.verify(old)
    assert getattr(verifier.known(old), "user", None) == "old"
    provider.rotate()
    provider.withdraw()
    clock.now += MAX_AGE
    verifier.known(old)
    await settled(verifier)
    assert provider.fetches == 2
    assert verifier.known(old) is None
    assert "kid" in await refused(verifier, old)


async def test_known_tokens_are_forgotten_with_keys_that_are_too_old(
    provider: IdentityProvider, verifier: JwksVerifier, clock: Clock
) -> None:
    token = provider.token()
    await verifier.verify(token)
    provider.failing = "error"
    clock.now += KEYS_MAX_AGE - 1
    assert verifier.known(token) is not None
    clock.now += 1
    assert verifier.known(token) is None
    await unavailable(verifier, token)


async def test_a_new_key_is_found_and_a_withdrawn_one_forgotten(
    provider: IdentityProvider, verifier: JwksVerifier, clock: Clock
) -> None:
    """A token with a new key waits for a fetch; the old key is valid until then."""
    old = provider.token("old")
    provider.rotate()
    new = provider.token("new")
    assert "kid" in await refused(verifier, new)
    clock.now += COOLDOWN
    assert (await verifier.verify(new)).user == "new"
    assert provider.fetches == 2
    assert (await verifier.verify(old)).user == "old"
    unnamed = provider.token(headers={"kid": None})
    assert "kid" in await refused(verifier, unnamed)
    provider.withdraw()
    assert (await verifier.verify(old)).user == "old"
    clock.now += COOLDOWN
    assert (await verifier.verify(unnamed)).user == "alice"
    assert provider.fetches == 3
    assert "kid" in await refused(verifier, old)


@pytest.mark.parametrize("failing", FAILURES)
@pytest.mark.parametrize("discover", [False, True])
async def test_a_provider_that_was_never_up_gives_503(
    failing: Failure,
    provider: IdentityProvider,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    *,
    discover: bool,
) -> None:
    """The service starts, and recovers by itself."""
    monkeypatch.setattr(jwks, "DEADLINE", 0.2)
    provider.failing = failing
    source = OidcIssuer(provider.issuer) if discover else JwksUrl(provider.jwks_url)
    async with verifier_of(source, clock) as verifier:
        assert await unavailable(verifier, provider.token()) == 30
        clock.now += COOLDOWN - 1
        assert await unavailable(verifier, provider.token()) == 1
        assert len(provider.requests) == 1
        monkeypatch.undo()
        provider.failing = None
        clock.now += 1
        assert (await verifier.verify(provider.token())).user == "alice"
        assert not any("moved" in path for path in provider.requests)


async def test_fetches_and_the_age_of_keys_are_counted(provider: IdentityProvider, clock: Clock) -> None:
    metrics = Metrics()
    async with verifier_of(provider.jwks_url, clock, metrics=metrics) as verifier:
        assert counts(metrics, "jwks_age_seconds") == {}
        await verifier.verify(provider.token())
        clock.now += MAX_AGE
        assert counts(metrics, "jwks_age_seconds") == {(): MAX_AGE}
        provider.failing = "error"
        await verifier.verify(provider.token("ann"))
        await settled(verifier)
        assert counts(metrics, "known_tokens") == {(): 2}
    assert counts(metrics, "jwks_fetches_total") == {("ok",): 1, ("failed",): 1}


@pytest.mark.parametrize("failing", FAILURES)
async def test_known_keys_work_while_the_provider_is_down(
    failing: Failure,
    provider: IdentityProvider,
    verifier: JwksVerifier,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody waits for the fetch, which is retried every 30 seconds."""
    monkeypatch.setattr(jwks, "DEADLINE", 0.2)
    provider.failing = failing
    clock.now += MAX_AGE
    for attempt in range(1, 4):
        assert (await verifier.verify(provider.token("ann"))).user == "ann"
        await settled(verifier)
        assert (await verifier.verify(provider.token("ann"))).user == "ann"
        await settled(verifier)
        assert provider.fetches == 1 + attempt
        assert await unavailable(verifier, made_up(provider)) == 30
        clock.now += COOLDOWN
    monkeypatch.undo()
    provider.failing = None
    provider.rotate()
    provider.withdraw()
    clock.now += COOLDOWN
    assert (await verifier.verify(provider.token("bob"))).user == "bob"


@pytest.mark.parametrize("left", [[], [{"kty": "oct", "k": "c2VjcmV0"}], [None, 7]])
async def test_an_empty_set_withdraws_every_key(left: list[object], clock: Clock) -> None:
    """Usable or not. The provider has answered, so callers get 401, and the log has a warning."""
    published: list[object] = [signing_key("ES256", 1).jwk]
    endpoint = Endpoint(lambda _: httpx.Response(200, json={"keys": published}))
    with capture_logs() as logs:
        async with verifier_of(URL, clock, endpoint) as verifier:
            assert (await verifier.verify(endpoint_token())).user == "alice"
            published[:] = left
            clock.now += MAX_AGE
            await verifier.verify(endpoint_token())
            await settled(verifier)
            assert "kid" in await refused(verifier, endpoint_token())
            published[:] = [signing_key("ES256", 1).jwk]
            clock.now += COOLDOWN
            assert (await verifier.verify(endpoint_token())).user == "alice"
    warned = [(entry["log_level"], entry["keys"], entry.get("skipped", 0)) for entry in logs]
    assert warned == [("info", 1, 0), ("warning", 0, len(left)), ("info", 1, 0)]


async def test_keys_that_cannot_be_fetched_again_expire(clock: Clock) -> None:
    """The log says from the first failure on how long they still are."""
    good_again = False
    endpoint = Endpoint(lambda _: good() if good_again or len(endpoint.urls) == 1 else httpx.Response(500))
    with capture_logs() as logs:
        async with verifier_of(URL, clock, endpoint) as verifier:
            await settled(verifier)
            clock.now += MAX_AGE
            await verifier.verify(endpoint_token())
            await settled(verifier)
            clock.now += KEYS_MAX_AGE - MAX_AGE - 1
            assert (await verifier.verify(endpoint_token())).user == "alice"
            await settled(verifier)
            clock.now += 1
            # The last fetch has just begun, so nobody is made to wait for another.
            assert await unavailable(verifier, endpoint_token()) == COOLDOWN - 1
            good_again = True
            clock.now += COOLDOWN
            assert (await verifier.verify(endpoint_token())).user == "alice"
    failed = [entry for entry in logs if entry["event"] == "jwks_unavailable"]
    assert [entry["old_keys_used_for_seconds"] for entry in failed] == [KEYS_MAX_AGE - MAX_AGE, 1]
    expired = [entry for entry in logs if entry["event"] == "jwks_expired"]
    assert expired == [{"event": "jwks_expired", "log_level": "warning", "max_age": KEYS_MAX_AGE}]


async def test_keys_that_expired_unused_are_fetched_before_the_next_call(clock: Clock) -> None:
    endpoint = Endpoint(lambda _: good())
    with capture_logs() as logs:
        async with verifier_of(URL, clock, endpoint) as verifier:
            await settled(verifier)
            clock.now += KEYS_MAX_AGE
            assert (await verifier.verify(endpoint_token())).user == "alice"
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("jwks_fetched", "info"),
        ("jwks_expired", "info"),
        ("jwks_fetched", "info"),
    ]


async def test_a_refused_connection_gives_503(clock: Clock) -> None:
    async with identity_provider() as provider:
        pass
    async with verifier_of(provider.jwks_url, clock) as verifier:
        assert await unavailable(verifier, provider.token()) == 30


async def test_old_keys_are_refreshed_in_the_background(clock: Clock) -> None:
    """After ten minutes. Callers with known keys never wait."""
    endpoint = Endpoint(lambda _: good())
    async with verifier_of(URL, clock, endpoint) as verifier:
        await settled(verifier)
        endpoint.open.clear()
        clock.now += MAX_AGE - 0.001
        await verifier.verify(endpoint_token())
        assert not asyncio.all_tasks() & {verifier._fetch}
        clock.now += 0.001
        for _ in range(10):
            assert (await verifier.verify(endpoint_token())).user == "alice"
            clock.now += MAX_AGE
        endpoint.open.set()
        await settled(verifier)
        assert endpoint.urls == [URL, URL]
    assert MAX_AGE == 600


async def test_a_refresh_withdraws_a_missing_key(
    provider: IdentityProvider, verifier: JwksVerifier, clock: Clock
) -> None:
    old = provider.token()
    provider.rotate()
    provider.withdraw()
    clock.now += MAX_AGE
    assert (await verifier.verify(old)).user == "alice"
    await settled(verifier)
    assert "kid" in await refused(verifier, old)
    assert (await verifier.verify(provider.token())).user == "alice"
    assert provider.fetches == 2


async def test_all_callers_share_one_fetch(clock: Clock) -> None:
    """A caller that leaves does not cancel it."""
    endpoint = Endpoint(lambda _: good())
    endpoint.open.clear()
    async with verifier_of(URL, clock, endpoint) as verifier:
        waiting = [asyncio.create_task(verifier.verify(endpoint_token())) for _ in range(20)]
        waiting += [asyncio.create_task(verifier.verify(endpoint_token(2))) for _ in range(20)]
        await endpoint.asked.wait()
        waiting[0].cancel()
        waiting[1].cancel()
        await asyncio.wait(waiting[:2])
        assert not any(task.done() for task in waiting[2:])
        # However long it takes, no second one is begun beside it.
        clock.now += COOLDOWN
        late = asyncio.create_task(verifier.verify(endpoint_token()))
        await asyncio.sleep(0)
        endpoint.open.set()
        answers = await asyncio.gather(*waiting, late, return_exceptions=True)
    assert [type(answer).__name__ for answer in answers] == [
        *["CancelledError"] * 2,
        *["Principal"] * 18,
        *["Unauthenticated"] * 20,
        "Principal",
    ]
    assert endpoint.urls == [URL]
    assert endpoint.given_up == 0


async def test_closing_cancels_a_fetch_and_closes_the_client(clock: Clock) -> None:
    """Waiting callers are told to retry, and no task is left."""
    endpoint = Endpoint(lambda _: good())
    endpoint.open.clear()
    before = asyncio.all_tasks()
    with capture_logs() as logs:
        async with verifier_of(URL, clock, endpoint) as verifier:
            waiting = asyncio.create_task(verifier.verify(endpoint_token()))
            await endpoint.asked.wait()
    # It has not failed by its deadline.
    assert logs == []
    with pytest.raises(IdentityProviderUnavailable):
        await waiting
    assert endpoint.given_up == 1
    assert endpoint.closed
    assert asyncio.all_tasks() == before


async def test_a_fetch_has_one_deadline(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers who waited longer than the cooldown may retry at once."""
    monkeypatch.setattr(jwks, "DEADLINE", 0.2)
    endpoint = Endpoint(lambda _: good())
    endpoint.open.clear()
    async with verifier_of(URL, clock, endpoint) as verifier:
        waiting = asyncio.create_task(unavailable(verifier, endpoint_token()))
        await endpoint.asked.wait()
        clock.now += COOLDOWN + 5
        assert await waiting == 1
    assert endpoint.given_up == 1


async def test_a_body_that_never_ends_has_the_same_deadline(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small its pieces are."""
    monkeypatch.setattr(jwks, "DEADLINE", 0.2)

    async def begun() -> AsyncIterator[bytes]:
        yield b'{"keys": ['
        await asyncio.Event().wait()

    endpoint = Endpoint(lambda _: httpx.Response(200, content=begun()))
    with capture_logs() as logs:
        async with verifier_of(URL, clock, endpoint) as verifier:
            assert await unavailable(verifier, endpoint_token()) == 30
    assert [entry["reason"] for entry in logs] == ["TimeoutError"]


async def test_the_first_fetch_starts_on_opening(clock: Clock) -> None:
    endpoint = Endpoint(lambda _: good())
    async with verifier_of(URL, clock, endpoint) as verifier:
        await settled(verifier)
        assert endpoint.urls == [URL]
        await verifier.verify(endpoint_token())
        assert endpoint.urls == [URL]


async def test_it_must_be_open(clock: Clock) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        await verifier_of(URL, clock).verify(endpoint_token())


def refused_unasked(provider: IdentityProvider) -> dict[str, str]:
    """Return tokens with an unknown ``kid`` that are refused without a fetch, by the reason."""
    token = made_up(provider)
    head, claims, signature = token.split(".")
    not_json = urlsafe_b64encode(b'{"sub":').rstrip(b"=").decode()
    unknown = {"kid": "x"}
    return {
        "nothing": "",
        "one part": head,
        "two parts": f"{head}.{claims}",
        "four parts": f"{token}.{signature}",
        "header not base64": f"!{head}.{claims}.{signature}",
        "header not JSON": f"{not_json}.{claims}.{signature}",
        "claims not base64": f"{head}.{claims}!.{signature}",
        "claims not JSON": f"{head}.{not_json}.{signature}",
        "signature not base64": f"{token}!",
        "surrogate": f"{token}\ud800",
        "kid a number": provider.token(headers={"kid": 7}),
        "kid a list": provider.token(headers={"kid": ["x"]}),
        "alg none": provider.token(headers={**unknown, "alg": "none"}),
        "alg missing": provider.token(headers={**unknown, "alg": None}),
        "alg a list": provider.token(headers={**unknown, "alg": ["RS256"]}),
        "alg an HMAC": provider.token(headers={**unknown, "alg": "HS256"}),
        "alg not allowed": provider.token(headers={**unknown, "alg": "RS512"}),
        "alg unknown": provider.token(headers={**unknown, "alg": "XS256"}),
        "crit": provider.token(headers={**unknown, "crit": ["x"], "x": 1}),
        "crit not a list": provider.token(headers={**unknown, "crit": "x"}),
        "b64": provider.token(headers={**unknown, "b64": False}),
        **{
            f"typ {kind}": provider.token(headers={**unknown, "typ": f"uploadsvc-{kind}"})
            for kind in ("demo+jwt", "receipt+jwt", "upload-token+jwt", "x")
        },
    }


async def test_a_token_that_no_key_could_verify_causes_no_fetch(
    provider: IdentityProvider, clock: Clock
) -> None:
    """Malformed, issued by the service itself, or with an algorithm that is not allowed."""
    async with verifier_of(provider.jwks_url, clock, algorithms=("RS256",)) as verifier:
        await settled(verifier)
        clock.now += COOLDOWN
        for reason, token in refused_unasked(provider).items():
            detail = await refused(verifier, token)
            assert provider.fetches == 1, reason
            assert "published" not in detail
        assert "kid" in await refused(verifier, made_up(provider))
        assert provider.fetches == 2


@pytest.mark.parametrize("failing", [None, "error"])
async def test_a_malformed_token_gives_401_even_while_the_provider_is_down(
    failing: Failure | None, provider: IdentityProvider, clock: Clock
) -> None:
    provider.failing = failing
    async with verifier_of(provider.jwks_url, clock, algorithms=("RS256",)) as verifier:
        await settled(verifier)
        for token in refused_unasked(provider).values():
            await refused(verifier, token)


async def test_a_key_inside_a_token_is_never_fetched_or_used(
    provider: IdentityProvider, verifier: JwksVerifier, clock: Clock
) -> None:
    async with identity_provider() as evil:
        evil.keys[:] = [signing_key("RS256", 666)]
        brought = {
            "jku": evil.jwks_url,
            "x5u": evil.jwks_url,
            "jwk": evil.keys[0].jwk,
            "x5c": ["MIIB"],
        }
        for kid in (evil.keys[0].kid, provider.keys[0].kid, None):
            for name, value in brought.items():
                clock.now += COOLDOWN
                header = {"kid": kid, name: value}
                await refused(verifier, evil.token(headers=header, iss=provider.issuer))
        assert evil.requests == []
    assert (await verifier.verify(provider.token(headers=brought))).user == "alice"


async def test_an_algorithm_must_be_allowed(provider: IdentityProvider, clock: Clock) -> None:
    async with verifier_of(provider.jwks_url, clock, algorithms=("ES256", "RS512")) as verifier:
        assert "(alg)" in await refused(verifier, provider.token())
        # Its only key is for RS256, so the set holds none that is usable.
        assert "kid" in await refused(verifier, provider.token(headers={"alg": "RS512"}))


@pytest.mark.parametrize("algorithm", ["HS256", "none", "ES256K", "", "rs256"])
async def test_an_algorithm_must_be_one_with_public_keys(algorithm: str, clock: Clock) -> None:
    """Above all, no HMAC."""
    with pytest.raises(ValueError, match=r"does not go with published keys; allowed are RS256, .*EdDSA"):
        verifier_of(URL, clock, algorithms=("RS256", algorithm))


async def test_a_discovered_issuer_must_be_the_tokens_issuer(clock: Clock) -> None:
    source = OidcIssuer("https://idp.example")
    with pytest.raises(ValueError, match="that issuer"):
        verifier_of(source, clock, issuer="https://idp.example/")


async def test_fetches_are_logged_without_tokens(
    provider: IdentityProvider, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = []
    with capture_logs() as logs:
        async with verifier_of(provider.jwks_url, clock) as verifier:
            provider.rotate()
            for provider.failing in (None, *FAILURES):
                # Short only where it is waited for, so that a busy machine passes too.
                monkeypatch.setattr(jwks, "DEADLINE", 0.2 if provider.failing == "hang" else 5)
                clock.now += COOLDOWN
                tokens.append(made_up(provider))
                with pytest.raises((Unauthenticated, IdentityProviderUnavailable)):
                    await verifier.verify(tokens[-1])
    fetched = {"event": "jwks_fetched", "log_level": "info", "host": "127.0.0.1", "keys": 2}
    assert [entry for entry in logs if entry["event"] == "jwks_fetched"] == [fetched]
    failed = [entry for entry in logs if entry["event"] != "jwks_fetched"]
    reasons = [entry.pop("reason") for entry in failed]
    assert reasons == ["status 500", "TimeoutError", "no JSON object", "status 302"]
    left = [entry.pop("old_keys_used_for_seconds") for entry in failed]
    assert left == [KEYS_MAX_AGE - COOLDOWN * number for number in (2, 3, 4, 5)]
    assert failed == [{"event": "jwks_unavailable", "log_level": "warning", "host": "127.0.0.1"}] * 4
    assert not any(part in str(logs) for token in tokens for part in token.split("."))


async def test_it_can_be_opened_again(provider: IdentityProvider, clock: Clock) -> None:
    """The cooldown of a cancelled fetch does not delay the next start."""
    verifier = verifier_of(JwksUrl(provider.jwks_url), clock)
    async with verifier:
        pass
    async with verifier:
        assert (await verifier.verify(provider.token("ann"))).user == "ann"


def test_it_can_be_opened_again_in_another_event_loop(clock: Clock) -> None:
    endpoint = Endpoint(lambda _request: good())
    verifier = verifier_of(URL, clock, endpoint)

    async def once() -> str:
        async with verifier:
            clock.now += COOLDOWN
            return (await verifier.verify(endpoint_token())).user

    users = []
    for _ in range(2):
        with asyncio.Runner() as runner:
            users.append(runner.run(once()))
    assert users[0] == users[1]
