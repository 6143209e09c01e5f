"""A cache of verified tokens."""

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MAX_KNOWN_TOKENS: Final = 4096
"""Maximum number of tokens to keep. A new one replaces the oldest."""


class KnownTokens(Generic[T]):
    """Remembers what tokens stand for, because verifying one takes longer than the rest of a call.

    Tokens are found by their whole SHA-256, so that a similar one does not match, and none is in memory.

    Args:
        clock: Returns the current time, aware.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._known: dict[bytes, tuple[T, datetime]] = {}

    def __len__(self) -> int:
        """The number of tokens that are kept."""
        return len(self._known)

    def get(self, token: str) -> T | None:
        """Return what a token stands for; ``None`` if it is not known or has expired."""
        digest = _digest(token)
        known = self._known.get(digest)
        if known is None:
            return None
        value, expires_at = known
        if self._clock() < expires_at:
            return value
        del self._known[digest]
        return None

    def keep(self, token: str, value: T, *, expires_at: datetime | None) -> None:
        """Keep what a token stands for until ``expires_at``, aware. A token without an end is not kept."""
        if expires_at is None:
            return
        digest = _digest(token)
        if digest not in self._known and len(self._known) >= MAX_KNOWN_TOKENS:
            del self._known[next(iter(self._known))]
        self._known[digest] = value, expires_at

    def clear(self) -> None:
        """Forget all tokens, because the keys that verified them have changed."""
        self._known.clear()


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
