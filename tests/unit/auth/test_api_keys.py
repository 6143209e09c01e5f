"""A service with a valid API key calls for the user that it names."""

from hashlib import sha256
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uploadsvc.auth.api_keys import ON_BEHALF_OF, ApiKey, api_key_principal
from uploadsvc.domain.errors import Unauthenticated, ValidationFailed

KEYS = (
    ApiKey(name="billing", digest=sha256(b"billing-key").digest(), policies=None),
    ApiKey(name="avatars", digest=sha256(b"avatars-key").digest(), policies=frozenset({"avatars"})),
)


@pytest.mark.parametrize(
    ("key", "policies"), [("billing-key", None), ("avatars-key", frozenset({"avatars"}))]
)
def test_a_key_allows_its_own_policies(key: str, policies: frozenset[str] | None) -> None:
    principal = api_key_principal(KEYS, key, "ann")
    assert (principal.user, principal.policies) == ("ann", policies)


@pytest.mark.parametrize(
    "key",
    [
        *("", "billing-ke", "billing-keyx", "BILLING-KEY", " billing-key", "billing"),
        *("\ud800", "é", "x" * 100_000, sha256(b"billing-key").hexdigest()),
    ],
)
def test_an_unknown_key_is_refused(key: str) -> None:
    """Neither a similar key, nor a service's name, nor the stored hash is accepted."""
    for on_behalf_of in ("ann", None, "%FF"):
        with pytest.raises(Unauthenticated) as caught:
            api_key_principal(KEYS, key, on_behalf_of)
        assert caught.value.detail == "There is no such API key."
    with pytest.raises(Unauthenticated):
        api_key_principal((), "billing-key", "ann")


def test_an_empty_key_is_refused() -> None:
    """Even if its hash is configured, as ``printf %s "$UNSET" | sha256sum`` prints it."""
    keys = (ApiKey(name="unset", digest=sha256(b"").digest(), policies=None),)
    with pytest.raises(Unauthenticated):
        api_key_principal(keys, "", "ann")


@given(st.text(min_size=1))
def test_any_user_can_be_named(user: str) -> None:
    """Percent-encoded UTF-8 carries every id."""
    assert api_key_principal(KEYS, "billing-key", quote(user, safe="")).user == user


@pytest.mark.parametrize("on_behalf_of", [None, "", "%FF", "é", "%ED%A0%80", "a\ud800"])
def test_a_valid_key_needs_a_valid_user(on_behalf_of: str | None) -> None:
    """The holder of a key is told what is wrong with the header."""
    with pytest.raises(ValidationFailed, match="percent-encoded UTF-8") as caught:
        api_key_principal(KEYS, "billing-key", on_behalf_of)
    assert caught.value.field == ON_BEHALF_OF


@pytest.mark.parametrize("place", [0, 15, 31])
def test_the_whole_digest_is_compared(place: int) -> None:
    digest = bytearray(sha256(b"key").digest())
    digest[place] ^= 1
    almost = ApiKey(name="almost", digest=bytes(digest), policies=None)
    with pytest.raises(Unauthenticated):
        api_key_principal([almost], "key", "ann")
