"""Public keys for verifying tokens, and their algorithms (RFC 7518, RFC 8037)."""

from collections.abc import Iterable
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from uploadsvc.tokens.receipt_keys import MIN_RSA_BITS

_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}

# Two names of one algorithm: RFC 8037 section 3.1, and RFC 9864 section 2.2, which deprecates the first.
_ED25519: Final = ("EdDSA", "Ed25519")

ASYMMETRIC: Final = (*_RSA, *_CURVES.values(), *_ED25519)
"""All algorithms with a public key: RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864 section 2.2."""

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


def same_algorithm(one: object, other: object) -> bool:
    """Return whether two names are of the same algorithm. Other values are equal only to themselves."""
    return one == other or (one in _ED25519 and other in _ED25519)


def with_other_names(algorithms: Iterable[str]) -> tuple[str, ...]:
    """Return the algorithms, with both names of Ed25519 if either is included."""
    named = tuple(algorithms)
    return named + tuple(
        name for name in _ED25519 if name not in named and not set(_ED25519).isdisjoint(named)
    )


def usable_key(key: PublicKeyTypes) -> tuple[PublicKey, tuple[str, ...]]:
    """Check that a key can verify tokens, and return it with its algorithms.

    Raises:
        ValueError: The key is not RSA (2048 bits or more), EC or Ed25519.
    """
    if isinstance(key, RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            message = f"an RSA key needs at least {MIN_RSA_BITS} bits, not {key.key_size}"
            raise ValueError(message)
        return key, _RSA
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return key, (_CURVES[key.curve.name],)
    if isinstance(key, Ed25519PublicKey):
        return key, _ED25519
    message = "not an RSA, EC (P-256, P-384, P-521) or Ed25519 public key"
    raise ValueError(message)
