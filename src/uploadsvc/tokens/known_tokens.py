"""Cache of verified tokens."""

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MAX_KNOWN_TOKENS: Final = 4096
"""Maximum number of tokens to keep. A new one replaces the oldest."""


class KnownTokens(Generic[T]):
    """Caches the result of verification, which takes longer than the rest of a call.

    The key is the full SHA-256 of a token, so that tokens themselves are not kept in memory.

    Args:
        clock: Returns the current time, aware.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._known: dict[bytes, tuple[T, datetime]] = {}

    def __len__(self) -> int:
        """The number of cached tokens."""
        return len(self._known)

    def get(self, token: str) -> T | None:
        """Return the cached result for a token; ``None`` if there is none or the token has expired."""
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
        """Cache the result for a token until ``expires_at``, aware. A token without an end is not cached."""
        if expires_at is None:
            return
        digest = _digest(token)
        if digest not in self._known and len(self._known) >= MAX_KNOWN_TOKENS:
            del self._known[next(iter(self._known))]
        self._known[digest] = value, expires_at

    def clear(self) -> None:
        """Clear the cache, because the keys have changed."""
        self._known.clear()


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
