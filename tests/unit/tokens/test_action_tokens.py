"""Action tokens: what they carry, how long, and that none passes for anything else, nor the other way."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uploadsvc.auth.tokens import demo_token
from uploadsvc.domain.errors import NotFound, Unauthenticated, UploadExpired
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.action_tokens import TYP, Act, ActionTokens
from uploadsvc.tokens.receipts import Receipts
from uploadsvc.tokens.signed_ids import Purpose, SignedIds, derive_key
from uploadsvc.tokens.upload_tokens import UploadTokens

SECRET, OLD = b"n" * 32, b"o" * 32
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SOON = NOON + timedelta(minutes=5)
TOKENS = ActionTokens([SECRET], clock=lambda: NOON)
ANN = Principal(user="ann")
ACTS: list[Act] = list(get_args(Act))


def forged(key: bytes, *, typ: str = TYP, **claims: Any) -> str:  # noqa: ANN401 - any JSON
    """Return a token with other claims, signed with a key."""
    good = {"aud": "uploadsvc-action", "sub": "ann", "act": "complete", "upload": "ID"}
    whole = {**good, "exp": int(SOON.timestamp()), **claims}
    return jwt.encode({k: v for k, v in whole.items() if v is not None}, key, headers={"typ": typ})


def refused(token: str, act: Act = "complete", tokens: ActionTokens = TOKENS) -> None:
    """See that a token is nobody's."""
    with pytest.raises(NotFound, match="no such upload"):
        tokens.verify(token, act)


@settings(deadline=None, derandomize=True)
@given(
    act=st.sampled_from(ACTS),
    user=st.text(),
    upload_id=st.text(),
    policies=st.none() | st.frozensets(st.from_regex(r"[a-z]{1,9}", fullmatch=True)),
)
def test_a_token_carries_an_act_an_upload_and_for_whom(
    act: Act, user: str, upload_id: str, policies: frozenset[str] | None
) -> None:
    """With no more rights than they have, and it can stand in a URL as it is."""
    caller = Principal(user=user, policies=policies, kind="service", service="billing")
    token = TOKENS.issue(act, upload_id, caller, expires_at=SOON)
    expected = Principal(user=user, policies=policies, kind="upload_token")
    assert TOKENS.verify(token, act) == (expected, upload_id)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_a_token_is_good_for_one_act() -> None:
    """What completes does not give up, nor the other way round."""
    for act, other in (ACTS, ACTS[::-1]):
        refused(TOKENS.issue(act, "ID", ANN, expires_at=SOON), other)


def test_a_token_ends() -> None:
    """At its end, by the service's own clock."""
    token = TOKENS.issue("abort", "ID", ANN, expires_at=SOON)
    before = ActionTokens([SECRET], clock=lambda: SOON - timedelta(seconds=1))
    assert before.verify(token, "abort") == TOKENS.verify(token, "abort")
    with pytest.raises(UploadExpired):
        ActionTokens([SECRET], clock=lambda: SOON).verify(token, "abort")


def test_after_a_rotation_the_first_key_signs_and_all_open() -> None:
    """A token from before it serves until its end, unless the old key is taken away."""
    before = ActionTokens([OLD], clock=lambda: NOON).issue("abort", "ID", ANN, expires_at=SOON)
    rotated = ActionTokens([SECRET, OLD], clock=lambda: NOON)
    assert rotated.verify(before, "abort")[1] == "ID"
    assert TOKENS.verify(rotated.issue("abort", "ID", ANN, expires_at=SOON), "abort")[1] == "ID"
    refused(before, "abort")


def test_nothing_else_passes_for_one() -> None:
    """Another key, kind, audience or algorithm; a claim left out; not even with the right key."""
    key = derive_key(SECRET, "action")
    assert TOKENS.verify(forged(key), "complete")[1] == "ID"
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
        UploadTokens([SECRET], clock=lambda: NOON).issue("ann", None, expires_at=SOON),
        demo_token(key, user="ann", now=NOON, expires_in=60),
        Receipts(key=key, issuer="i", audience="uploadsvc-action", expires_in=60).sign(
            {"act": "complete", "upload": "ID"}, user="ann", jti="J", now=NOON
        ),
        *("", "a.b.c", "." * 3, "x" * 8000, "é", "\ud800"),
    ):
        refused(token)


def test_a_token_passes_for_nothing_else() -> None:
    """Neither for an upload token nor for an id, even under keys of theirs."""
    for act in ACTS:
        token = TOKENS.issue(act, "ID", ANN, expires_at=SOON)
        with pytest.raises(NotFound):
            SignedIds([SECRET]).verify(token)
        upload_tokens = UploadTokens([SECRET], clock=lambda: NOON)
        upload_tokens._keys = [derive_key(SECRET, "action")]
        with pytest.raises(Unauthenticated):
            upload_tokens.verify(token)
