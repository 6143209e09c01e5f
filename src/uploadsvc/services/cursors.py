"""Cursors of listings: text in base64url (RFC 4648, section 5)."""

import base64
import binascii
import re
from typing import Final

from uploadsvc.domain.errors import ValidationFailed

_NOT_IN_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def encode_cursor(text: str) -> str:
    """Encode text as a cursor."""
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> str:
    """Decode a cursor.

    Raises:
        ValidationFailed: The cursor is malformed.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise malformed_cursor() from None
    return text


def is_listed_key(text: str, *, max_bytes: int) -> bool:
    """Return whether a listing, in XML 1.0, can contain ``text`` as a key.

    https://www.w3.org/TR/xml/#charsets
    """
    return len(text.encode()) <= max_bytes and not _NOT_IN_XML.search(text)


def malformed_cursor() -> ValidationFailed:
    """Return the error for a cursor that no listing returned."""
    return ValidationFailed("The cursor is not one that a listing returned.", field="cursor")
