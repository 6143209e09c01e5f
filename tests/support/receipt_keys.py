"""Private keys for receipts, made anew for each run, and their PEM."""

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

ED25519: Final = ed25519.Ed25519PrivateKey.generate()
EC: Final = ec.generate_private_key(ec.SECP256R1())
OTHER_EC: Final = ec.generate_private_key(ec.SECP256R1())
RSA: Final = rsa.generate_private_key(65537, 2048)

KEYS: Final[dict[str, PrivateKeyTypes]] = {"Ed25519": ED25519, "P-256": EC, "RSA": RSA}
"""One of each type that may sign."""


def private_pem(key: PrivateKeyTypes) -> str:
    """Return a private key as PEM, without a passphrase."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: PrivateKeyTypes) -> str:
    """Return a private key's public half as PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
