"""Action tokens: claims, expiry, and separation from every other kind of token."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uploadsvc.domain.errors import NotFound, Unauthenticated, UploadExpired
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.derived_keys import Purpose, derive_key
from uploadsvc.tokens.jwts import ACTION, DEMO, UPLOAD, ServiceTokens
from uploadsvc.tokens.receipts import Receipts
from uploadsvc.tokens.signed_ids import SignedIds

SECRET, OLD = b"n" * 32, b"o" * 32
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SOON = NOON + timedelta(minutes=5)
ACTS = ("complete", "abort")


def action_tokens(*secrets: bytes, now: datetime = NOON) -> ServiceTokens:
    return ServiceTokens(secrets, kind=ACTION, clock=lambda: now)


def issued(act: str, tokens: ServiceTokens | None = None) -> str:
    """Issue ann's token for one action."""
    return (tokens or TOKENS).issue("ann", expires_at=SOON, act=act, upload="ID")


def upload_of(token: str, act: str, tokens: ServiceTokens | None = None) -> str:
    """Return the upload id in a token."""
    upload_id: str = (tokens or TOKENS).verify(token, act=act).claims["upload"]
    return upload_id


TOKENS = action_tokens(SECRET)


def forged(key: bytes, *, typ: str = ACTION.typ, **claims: Any) -> str:  # noqa: ANN401 - any JSON
    """Sign a token with other claims."""
    good = {"aud": "uploadsvc-action", "sub": "ann", "act": "complete", "upload": "ID"}
    whole = {**good, "exp": int(SOON.timestamp()), **claims}
    return jwt.encode({k: v for k, v in whole.items() if v is not None}, key, headers={"typ": typ})


def refused(token: str, act: str = "complete", tokens: ServiceTokens = TOKENS) -> None:
    """Assert that a token is refused like an unknown upload id."""
    with pytest.raises(NotFound, match="no such upload"):
        tokens.verify(token, act=act)


@given(
    act=st.sampled_from(ACTS),
    user=st.text(),
    upload_id=st.text(),
    policies=st.none() | st.frozensets(st.from_regex(r"[a-z]{1,9}", fullmatch=True)),
)
def test_a_token_carries_action_upload_user_and_policies(
    act: str, user: str, upload_id: str, policies: frozenset[str] | None
) -> None:
    """It can be part of a URL without encoding."""
    token = TOKENS.issue(user, policies, expires_at=SOON, act=act, upload=upload_id)
    expected = Principal(user=user, policies=policies, kind="upload_token", expires_at=SOON)
    verified = TOKENS.verify(token, act=act)
    assert (verified.principal, verified.claims["upload"]) == (expected, upload_id)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_a_token_allows_only_its_own_action() -> None:
    """Before and after its first use."""
    for act, other in (ACTS, ACTS[::-1]):
        token = issued(act)
        refused(token, other)
        assert upload_of(token, act) == "ID"
        refused(token, other)


def test_a_token_expires_by_the_services_clock() -> None:
    token = issued("abort")
    before = action_tokens(SECRET, now=SOON - timedelta(seconds=1))
    assert before.verify(token, act="abort") == TOKENS.verify(token, act="abort")
    after = action_tokens(SECRET, now=SOON)
    with pytest.raises(UploadExpired):
        after.verify(token, act="abort")
    refused(token, "complete", after)


def test_after_a_rotation_the_first_key_signs_and_all_verify() -> None:
    before = issued("abort", action_tokens(OLD))
    rotated = action_tokens(SECRET, OLD)
    assert upload_of(before, "abort", rotated) == "ID"
    assert upload_of(issued("abort", rotated), "abort") == "ID"
    refused(before, "abort")


def test_every_other_token_is_refused() -> None:
    """Another key, kind, audience or algorithm, or a missing claim."""
    key = derive_key(SECRET, "action")
    assert upload_of(forged(key), "complete") == "ID"
    others: list[Purpose] = [purpose for purpose in get_args(Purpose) if purpose != "action"]
    for token in (
        forged(SECRET),
        *(forged(derive_key(SECRET, purpose)) for purpose in others),
        forged(key, typ="JWT"),
        forged(key, typ="uploadsvc-upload+jwt"),
        forged(key, aud="uploadsvc-upload"),
        forged(key, aud=None),
        forged(key, exp=None),
        forged(key, sub=None),
        forged(key, upload=None),
        forged(key, act=None),
        forged(key, act="delete"),
        forged(key).rpartition(".")[0] + ".",
        jwt.encode(jwt.decode(forged(key), options={"verify_signature": False}), "", algorithm="none"),
        jwt.encode(jwt.decode(forged(key), options={"verify_signature": False}), key * 2, algorithm="HS512"),
        ServiceTokens([SECRET], kind=UPLOAD, clock=lambda: NOON).issue("ann", expires_at=SOON),
        forged(key, typ=DEMO.typ, aud=DEMO.audience),
        Receipts(key=key, issuer="i", audience="uploadsvc-action", expires_in=60).sign(
            {"act": "complete", "upload": "ID"}, user="ann", jti="J", now=NOON
        ),
        *("", "a.b.c", "." * 3, "x" * 8000, "é", "\ud800"),
    ):
        refused(token)


def test_a_token_is_neither_an_upload_token_nor_an_id() -> None:
    """Not even if it is signed with their keys."""
    for act in ACTS:
        token = issued(act)
        with pytest.raises(NotFound):
            SignedIds([SECRET]).verify(token)
        upload_tokens = ServiceTokens([SECRET], kind=UPLOAD, clock=lambda: NOON)
        upload_tokens._keys = [derive_key(SECRET, "action")]
        with pytest.raises(Unauthenticated):
            upload_tokens.verify(token)
