"""The first credential that is present decides."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import jwt
import pytest

from uploadsvc.auth.api_keys import ApiKey
from uploadsvc.auth.authenticator import Authenticator
from uploadsvc.auth.tokens import MAX_TOKEN_CHARACTERS, demo_token, demo_verifier, secret_verifier
from uploadsvc.domain.errors import Unauthenticated, ValidationFailed

SECRET = b"s" * 32
DEMO_KEY = b"d" * 32
KEYS = (ApiKey(name="billing", digest=sha256(b"good-key").digest(), policies=frozenset({"avatars"})),)
VERIFIER = secret_verifier(SECRET, algorithms=(), audience=None, user_claim="sub")
DEMO = demo_verifier(DEMO_KEY)

BOTH = Authenticator(verifier=VERIFIER, demo=None, api_keys=KEYS)
TOKENS = Authenticator(verifier=VERIFIER, demo=None, api_keys=())
SERVICES = Authenticator(verifier=None, demo=None, api_keys=KEYS)
DEMO_ONLY = Authenticator(verifier=None, demo=DEMO, api_keys=())
ALL = Authenticator(verifier=VERIFIER, demo=DEMO, api_keys=KEYS)

SERVICE = {"x-api-key": "good-key", "x-on-behalf-of": "bob"}


def a_token(user: str = "ann") -> str:
    """Return a good token."""
    return jwt.encode({"sub": user, "exp": datetime.now(UTC) + timedelta(minutes=1)}, SECRET)


def a_demo_token() -> str:
    """Return a demo user's token."""
    return demo_token(DEMO_KEY, user="demo", now=datetime.now(UTC), expires_in=60)


async def refused(authenticator: Authenticator, headers: dict[str, str]) -> str:
    """Return what a request is refused with."""
    with pytest.raises(Unauthenticated) as caught:
        await authenticator.authenticate(headers)
    return caught.value.detail


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
async def test_a_bearer_token_names_the_user(scheme: str) -> None:
    """The scheme is read in any case."""
    principal = await BOTH.authenticate({"authorization": f"{scheme} {a_token()}"})
    assert (principal.user, principal.policies) == ("ann", None)


async def test_an_api_key_names_the_user() -> None:
    """A service speaks for the one whom it names."""
    principal = await BOTH.authenticate(SERVICE)
    assert (principal.user, principal.policies) == ("bob", frozenset({"avatars"}))


async def test_a_bearer_token_comes_before_an_api_key() -> None:
    """Where both are good, the first in order decides."""
    headers = {"authorization": f"Bearer {a_token()}", **SERVICE}
    assert (await ALL.authenticate(headers)).user == "ann"


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer a.b.c", "good-key"]
)
async def test_a_bad_credential_does_not_fall_through(authorization: str) -> None:
    """A bad first credential is refused though a good second one came with it."""
    for authenticator in (BOTH, ALL, SERVICES):
        await refused(authenticator, {"authorization": authorization, **SERVICE})


async def test_a_bad_api_key_is_refused() -> None:
    """It is no anonymous request, and a good key without a user is said to be that."""
    assert "no such API key" in await refused(BOTH, {"x-api-key": "x", "x-on-behalf-of": "bob"})
    assert "no such API key" in await refused(BOTH, {"x-api-key": "", "x-on-behalf-of": "bob"})
    with pytest.raises(ValidationFailed):
        await BOTH.authenticate({"x-api-key": "good-key"})


@pytest.mark.parametrize(
    ("authenticator", "named", "unnamed"),
    [
        (BOTH, ["Bearer", "X-API-Key"], []),
        (TOKENS, ["Bearer"], ["X-API-Key"]),
        (SERVICES, ["X-API-Key"], ["Bearer"]),
        (DEMO_ONLY, ["Bearer"], ["X-API-Key"]),
    ],
)
async def test_who_sends_nothing_is_told_what_to_send(
    authenticator: Authenticator, named: list[str], unnamed: list[str]
) -> None:
    """Only what is configured is offered."""
    detail = await refused(authenticator, {"x-on-behalf-of": "bob", "cookie": "token=x"})
    assert all(name in detail for name in named)
    assert not any(name in detail for name in unnamed)


async def test_what_is_not_configured_is_not_taken() -> None:
    """An API key is nothing where there are none, nor is a bearer token."""
    assert "No credential" in await refused(TOKENS, SERVICE)
    assert "not taken here" in await refused(SERVICES, {"authorization": f"Bearer {a_token()}"})
    assert "not taken here" in await refused(DEMO_ONLY, {"authorization": f"Bearer {a_token()}"})


async def test_a_demo_token_counts_only_in_demo_mode() -> None:
    """It has a key of its own, and leaves other tokens as they are."""
    demo = {"authorization": f"Bearer {a_demo_token()}"}
    assert (await ALL.authenticate(demo)).user == "demo"
    assert (await DEMO_ONLY.authenticate(demo)).user == "demo"
    assert (await ALL.authenticate({"authorization": f"Bearer {a_token()}"})).user == "ann"
    await refused(BOTH, demo)
    forged = jwt.encode(
        {"sub": "ann", "exp": datetime.now(UTC) + timedelta(minutes=1)},
        SECRET,
        headers={"typ": "uploadsvc-demo+jwt"},
    )
    await refused(ALL, {"authorization": f"Bearer {forged}"})


async def test_a_very_long_token_is_not_looked_at() -> None:
    """Beyond the limit even a good one is refused; up to it, it is read."""
    room = MAX_TOKEN_CHARACTERS - len(a_token(""))
    long = a_token("u" * (room * 3 // 4))
    assert len(long) <= MAX_TOKEN_CHARACTERS
    assert (await BOTH.authenticate({"authorization": f"Bearer {long}"})).user.startswith("u")
    assert "at most 8192" in await refused(BOTH, {"authorization": f"Bearer {a_token('u' * room)}"})
