"""Derive a key for each purpose from a secret, with HKDF (RFC 5869)."""

from typing import Final, Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MIN_SECRET_BYTES: Final = 32
Purpose = Literal[
    "upload", "unwatched", "upload-token", "receipt", "demo", "action", "object", "delivery", "limits"
]


def derive_key(secret: bytes, purpose: Purpose) -> bytes:
    """Return the 32-byte key for a purpose.

    Raises:
        ValueError: The secret has fewer than 32 bytes.
    """
    if len(secret) < MIN_SECRET_BYTES:
        message = f"a secret key needs at least {MIN_SECRET_BYTES} bytes"
        raise ValueError(message)
    info = f"uploadsvc {purpose} v1".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)
