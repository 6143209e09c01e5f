"""Keys for receipts, as JWK (RFC 7517) or PEM."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

MIN_RSA_BITS: Final = 2048
_CURVE: Final = "secp256r1"
_TYPES: Final = f"Ed25519, EC P-256, or RSA of {MIN_RSA_BITS} bits or more"
_ALLOWED_PRIVATE: Final = f"one private key ({_TYPES}) as PEM without a passphrase"
_ALLOWED_PUBLIC: Final = f"one public key ({_TYPES}) as PEM (-----BEGIN PUBLIC KEY-----)"
_BEGIN: Final = re.compile(r"-----BEGIN (?:[A-Z0-9 ]+ )?(PUBLIC|PRIVATE) KEY-----")

_Private = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey
_Public = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


class ReceiptPublicKey:
    """A public key that verifies receipts.

    Attributes:
        key: The key.
        algorithm: Its only algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1).
        kid: Its thumbprint (RFC 7638).

    Args:
        key: The key, of an allowed type and size.
    """

    def __init__(self, key: _Public) -> None:
        self.algorithm, members = _described(key)
        # The members in the thumbprint, in the order of RFC 7638 section 3.2 and RFC 8037 section 2.
        counted = ("crv", "e", "kty", "n", "x", "y")
        self._jwk: dict[str, str] = {name: members[name] for name in counted if name in members}
        canonical = json.dumps(self._jwk, separators=(",", ":")).encode()
        self.key = key
        self.kid = _base64url(hashlib.sha256(canonical).digest())

    def jwk(self) -> dict[str, str]:
        """Return ``kty``, then ``crv x``, ``crv x y`` or ``e n``, then ``kid alg use``."""
        return {"kty": self._jwk["kty"], **self._jwk, **_purpose(self.kid, self.algorithm)}

    def pem(self) -> str:
        """Return the key as PEM (RFC 7468 section 13)."""
        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@dataclass(frozen=True, slots=True)
class ReceiptPrivateKey:
    """A private key that signs receipts.

    Attributes:
        key: The key.
        public: Its public half.
    """

    key: _Private = field(repr=False)
    public: ReceiptPublicKey


class SharedKey:
    """A secret that signs and verifies receipts. Every verifier can also sign.

    Attributes:
        key: The secret.
        algorithm: HS256.
        kid: Id of the secret, which reveals no more about it than a receipt's signature.

    Args:
        key: The secret, at least 32 bytes (RFC 7518 section 3.2).
    """

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.algorithm = "HS256"
        self.kid = _base64url(hmac.digest(key, b"uploadsvc receipt kid", "sha256"))[:16]

    def jwk(self) -> dict[str, str]:
        """Return ``kty k`` (the secret: RFC 7518 section 6.4), then ``kid alg use``."""
        return {"kty": "oct", "k": _base64url(self.key), **_purpose(self.kid, self.algorithm)}


def private_key(pem: str) -> ReceiptPrivateKey:
    """Read a private key from PEM.

    Raises:
        ValueError: The key is not allowed, or has a passphrase. The message does not quote the text.
    """
    if len(_BEGIN.findall(pem)) > 1:
        _refuse("holds more than one key", _ALLOWED_PRIVATE)
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        _refuse("is encrypted", _ALLOWED_PRIVATE)
    except (ValueError, UnsupportedAlgorithm):
        _refuse("is not a PEM private key that can be read", _ALLOWED_PRIVATE)
    if not isinstance(key, _Private):
        _refuse("is a key of another type", _ALLOWED_PRIVATE)
    return ReceiptPrivateKey(key, _checked(key.public_key(), _ALLOWED_PRIVATE))


def public_key(pem: str) -> ReceiptPublicKey:
    """Read a public key from PEM.

    Raises:
        ValueError: The key is not allowed. The message does not quote the text, which may be a private key.
    """
    kinds = _BEGIN.findall(pem)
    if "PRIVATE" in kinds:
        _refuse("holds a private key", _ALLOWED_PUBLIC)
    if len(kinds) > 1:
        _refuse("holds more than one key", _ALLOWED_PUBLIC)
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        _refuse("is not a PEM public key that can be read", _ALLOWED_PUBLIC)
    if not isinstance(key, _Public):
        _refuse("is a key of another type", _ALLOWED_PUBLIC)
    return _checked(key, _ALLOWED_PUBLIC)


def _described(key: _Public) -> tuple[str, Mapping[str, Any]]:
    """Return a key's algorithm and its JWK."""
    if isinstance(key, Ed25519PublicKey):
        # RFC 9864 renames it to Ed25519, which fewer libraries support.
        return "EdDSA", OKPAlgorithm.to_jwk(key, as_dict=True)
    if isinstance(key, EllipticCurvePublicKey):
        return "ES256", ECAlgorithm.to_jwk(key, as_dict=True)
    return "RS256", RSAAlgorithm.to_jwk(key, as_dict=True)


def _checked(key: _Public, allowed: str) -> ReceiptPublicKey:
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        _refuse(f"is an RSA key of {key.key_size} bits", allowed)
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name != _CURVE:
        _refuse(f"is an EC key on {key.curve.name}", allowed)
    return ReceiptPublicKey(key)


def _refuse(reason: str, allowed: str) -> NoReturn:
    message = f"{reason}; allowed is {allowed}"
    raise ValueError(message) from None


def _purpose(kid: str, algorithm: str) -> dict[str, str]:
    return {"kid": kid, "alg": algorithm, "use": "sig"}


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
