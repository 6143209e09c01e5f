"""Fields from the bytes of the fuzzer, readable in the corpus."""

from typing import Final

SEPARATOR: Final = b"\n--\n"
"""Stands between the fields of an input."""


def text(data: bytes) -> str:
    """Return bytes as text. Bytes of no character become lone surrogates, which JSON can carry too."""
    return data.decode("utf-8", "surrogateescape")


def fields(data: bytes, count: int) -> list[str]:
    """Return so many fields; those that are missing are empty."""
    found = [text(field) for field in data.split(SEPARATOR, count - 1)]
    return found + [""] * (count - len(found))
