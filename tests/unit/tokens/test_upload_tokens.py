"""Upload tokens: claims, expiry, and separation from every other kind of token."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uploadsvc.domain.errors import Unauthenticated
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.derived_keys import derive_key
from uploadsvc.tokens.jwts import DEMO, UPLOAD, ServiceTokens
from uploadsvc.tokens.receipts import Receipts

SECRET, OLD = b"n" * 32, b"o" * 32
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SOON = NOON + timedelta(minutes=5)


def upload_tokens(*secrets: bytes, now: datetime = NOON) -> ServiceTokens:
    return ServiceTokens(secrets, kind=UPLOAD, clock=lambda: now)


TOKENS = upload_tokens(SECRET)


def forged(key: bytes, *, typ: str = UPLOAD.typ, **claims: Any) -> str:  # noqa: ANN401 - any JSON
    """Sign a token with other claims."""
    whole = {"aud": "uploadsvc-upload", "sub": "ann", "exp": int(SOON.timestamp()), **claims}
    return jwt.encode({k: v for k, v in whole.items() if v is not None}, key, headers={"typ": typ})


def refused(token: str, tokens: ServiceTokens = TOKENS) -> str:
    """Return the detail of the refusal."""
    with pytest.raises(Unauthenticated) as caught:
        tokens.verify(token)
    return caught.value.detail


@given(user=st.text(), policies=st.none() | st.frozensets(st.from_regex(r"[a-z]{1,9}", fullmatch=True)))
def test_a_token_carries_user_and_policies(user: str, policies: frozenset[str] | None) -> None:
    """All policies, or a list that may be empty."""
    token = TOKENS.issue(user, policies, expires_at=SOON)
    expected = Principal(user=user, policies=policies, kind="upload_token", expires_at=SOON)
    assert TOKENS.verify(token).principal == expected
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_a_token_expires_by_the_services_clock() -> None:
    token = TOKENS.issue("ann", None, expires_at=SOON)
    assert upload_tokens(SECRET, now=SOON - timedelta(seconds=1)).verify(token).principal.user == "ann"
    assert "expired" in refused(token, upload_tokens(SECRET, now=SOON))


def test_after_a_rotation_the_first_key_signs_and_all_verify() -> None:
    before = upload_tokens(OLD).issue("ann", None, expires_at=SOON)
    rotated = upload_tokens(SECRET, OLD)
    assert rotated.verify(before).principal.user == "ann"
    assert TOKENS.verify(rotated.issue("bob", None, expires_at=SOON)).principal.user == "bob"
    assert "signature" in refused(before)


def test_every_other_token_is_refused() -> None:
    """Another key, kind, audience or algorithm, or a missing claim."""
    key = derive_key(SECRET, "upload-token")
    assert TOKENS.verify(forged(key)).principal.user == "ann"
    for token in (
        forged(SECRET),
        forged(derive_key(SECRET, "receipt")),
        forged(derive_key(SECRET, "demo")),
        forged(derive_key(SECRET, "action")),
        forged(derive_key(SECRET, "upload")),
        forged(key, typ="JWT"),
        forged(key, typ="uploadsvc-demo+jwt"),
        forged(key, typ="uploadsvc-action+jwt"),
        forged(key, aud="uploadsvc-demo"),
        forged(key, aud=None),
        forged(key, exp=None),
        forged(key, sub=None),
        forged(key).rpartition(".")[0] + ".",
        jwt.encode({"aud": "uploadsvc-upload", "sub": "ann", "exp": 2**40}, "", algorithm="none"),
        jwt.encode(jwt.decode(forged(key), options={"verify_signature": False}), key * 2, algorithm="HS512"),
        forged(key, typ=DEMO.typ, aud=DEMO.audience),
        Receipts(key=key, issuer="i", audience="uploadsvc-upload", expires_in=60).sign(
            {}, user="ann", jti="J", now=NOON
        ),
        *("", "a.b.c", "." * 3, "x" * 8000),
    ):
        refused(token)
