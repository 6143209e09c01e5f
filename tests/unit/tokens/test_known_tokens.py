"""A token that was verified once is known until it expires."""

from datetime import UTC, datetime, timedelta

from uploadsvc.tokens.known_tokens import MAX_KNOWN_TOKENS, KnownTokens

START = datetime(2026, 11, 28, 12, tzinfo=UTC)


class Clock:
    """A clock that a test moves."""

    now = START

    def __call__(self) -> datetime:
        """Return the time now."""
        return self.now


def test_a_token_is_known_until_its_end_and_not_a_moment_longer() -> None:
    clock = Clock()
    known = KnownTokens[str](clock)
    known.keep("token", "ann", expires_at=START + timedelta(seconds=10))
    clock.now += timedelta(seconds=9.999)
    assert known.get("token") == "ann"
    clock.now = START + timedelta(seconds=10)
    assert known.get("token") is None
    assert len(known) == 0


def test_only_the_very_same_token_is_known() -> None:
    """One that begins, ends or is spelt alike is another token."""
    known = KnownTokens[str](Clock())
    token = "e30.e30.c2lnbmF0dXJl"
    known.keep(token, "ann", expires_at=START + timedelta(hours=1))
    for other in (token[:-1], f"{token}A", f" {token}", token.lower(), f"{token}=", "", "\ud800"):
        assert known.get(other) is None
    assert known.get(token) == "ann"


def test_a_token_without_an_end_is_not_kept() -> None:
    known = KnownTokens[str](Clock())
    known.keep("token", "ann", expires_at=None)
    assert known.get("token") is None


def test_the_number_of_known_tokens_is_bounded() -> None:
    """The oldest makes room; a token that is kept again takes none."""
    known = KnownTokens[int](Clock())
    for number in range(MAX_KNOWN_TOKENS + 1):
        known.keep(f"token-{number}", number, expires_at=START + timedelta(hours=1))
    assert len(known) == MAX_KNOWN_TOKENS
    assert known.get("token-0") is None
    known.keep("token-2", 2, expires_at=START + timedelta(hours=2))
    assert (len(known), known.get("token-1")) == (MAX_KNOWN_TOKENS, 1)
