"""Tokens that were verified before."""

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MAX_KNOWN_TOKENS: Final = 4096
"""Tokens that are kept. The oldest makes room for a new one."""


class KnownTokens(Generic[T]):
    """What tokens stand for, until they expire: verifying one again takes longer than all the rest of a call.

    The whole SHA-256 of a token is its key, so that neither a similar token finds it nor memory holds it.

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
        """Keep what a token stands for until ``expires_at``, aware. Without an end it is not kept."""
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
