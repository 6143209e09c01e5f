"""The parts of an HTTP request that authentication reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from uploadsvc.domain.errors import Unauthenticated


class Headers(Protocol):
    """A request's headers, looked up by lower-case name."""

    def get(self, name: str, /) -> str | None:
        """Return the first value of a header, or ``None``."""

    def getlist(self, name: str, /) -> Sequence[str]:
        """Return all values of a header."""


class RawHeaders:
    """Headers of an ASGI request, decoded on access.

    Args:
        raw: Pairs of lower-case name and value.
    """

    __slots__ = ("_by_name", "_raw")

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self._raw = raw
        self._by_name = dict(raw)

    def get(self, name: str, /) -> str | None:
        """Return the first value of a header, or ``None``."""
        values = self.getlist(name)
        return values[0] if values else None

    def getlist(self, name: str, /) -> Sequence[str]:
        """Return all values of a header."""
        wanted = name.encode("latin-1")
        last = self._by_name.get(wanted)
        if last is None:
            return ()
        if len(self._by_name) == len(self._raw):
            return (last.decode("latin-1"),)
        return [value.decode("latin-1") for sent, value in self._raw if sent == wanted]


# Not frozen: freezing would double the time to create one in every request.
@dataclass(slots=True, kw_only=True)
class AuthRequest:
    """The parts of a request that can identify the caller.

    Attributes:
        method: The HTTP method.
        headers: The request's headers.
        peer: The IP address of the other end of the connection; ``None`` if there is none.
    """

    method: str
    headers: Headers
    peer: str | None

    def single(self, name: str) -> str | None:
        """Return a header that may occur only once, or ``None``.

        Raises:
            Unauthenticated: It occurs more than once. A proxy may have checked a different one.
        """
        values = self.headers.getlist(name)
        if len(values) > 1:
            detail = f"The header {name} came more than once."
            raise Unauthenticated(detail, reason="repeated")
        return values[0] if values else None
