"""Verify an identity provider's JWTs (RFC 7519), with a fixed key and fixed algorithms (RFC 8725)."""

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import OKPAlgorithm

from uploadsvc.auth.claims import ClaimRules
from uploadsvc.auth.public_keys import PublicKey, usable_key, with_other_names
from uploadsvc.domain.errors import Refusal, Unauthenticated
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.jwts import SERVICE_TYPS

MAX_TOKEN_CHARACTERS: Final = 8192
"""Longer than any identity provider's token, and short enough to hash."""

# RFC 7518 section 3.2: a key of the size of the hash output or larger.
_HMAC_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}


def _signatures() -> jwt.PyJWS:
    jws = jwt.PyJWS()
    # PyJWT 2.15 supports only the older name of this algorithm.
    if "Ed25519" not in jws.get_algorithms():
        jws.register_algorithm("Ed25519", OKPAlgorithm())
    return jws


_JWS: Final = _signatures()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenVerifier:
    """Verifies the tokens of one issuer.

    Attributes:
        key: The shared secret, or the public key.
        algorithms: The accepted algorithms. They are never taken from the token.
        rules: Rules for the claims.
    """

    key: bytes | PublicKey
    algorithms: tuple[str, ...]
    rules: ClaimRules

    def verify(self, token: str) -> Principal:
        """Verify a token and return its caller.

        Raises:
            Unauthenticated: The token is not valid. The detail says why, without quoting it.
        """
        try:
            decoded = _JWS.decode_complete(token, self.key, algorithms=self.algorithms)
            claims = _claims(decoded["payload"])
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            # PyJWT passes on a ValueError from json or base64.
            reason = _reason(error, token)
            detail = "The token is malformed, or its signature is wrong."
            if reason == "algorithm":
                detail = "The token's algorithm (alg) is not accepted here."
            raise Unauthenticated(detail, reason=reason) from None
        if str(decoded["header"].get("typ")).startswith(SERVICE_TYPS):
            refuse_service_token()
        return self.rules.principal(claims)


def unverified_header(token: str) -> dict[str, Any]:
    """Return a token's header, or an empty one. Use it only to choose a verifier.

    PyJWT's own function parses the whole token, which takes as long as verifying it.
    """
    first = token.partition(".")[0]
    try:
        header = json.loads(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}


def token_typ(token: str) -> str | None:
    """Return a token's ``typ``, unverified. Use it only to choose a verifier."""
    typ = unverified_header(token).get("typ")
    return typ if isinstance(typ, str) else None


def check_form(token: str) -> None:
    """Reject a token that no key could verify, before its key is looked up.

    Raises:
        Unauthenticated: A part is malformed, or a critical extension (RFC 7515 section 4.1.11) unknown.
    """
    try:
        _claims(_JWS.decode_complete(token, options={"verify_signature": False})["payload"])
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        detail = "The token is malformed."
        raise Unauthenticated(detail, reason=_reason(error, token)) from None


def secret_verifier(secret: bytes, *, algorithms: tuple[str, ...], rules: ClaimRules) -> TokenVerifier:
    """Return a verifier with a shared secret, by default for HS256.

    Raises:
        ValueError: An algorithm is not an HMAC, or the secret is shorter than its hash.
    """
    algorithms = algorithms or ("HS256",)
    for algorithm in algorithms:
        if algorithm not in _HMAC_BYTES:
            message = f"{algorithm!r} does not go with a secret; allowed are {', '.join(_HMAC_BYTES)}"
            raise ValueError(message)
        if len(secret) < _HMAC_BYTES[algorithm]:
            message = (
                f"{algorithm} needs a secret of at least {_HMAC_BYTES[algorithm]} bytes, not {len(secret)}"
            )
            raise ValueError(message)
    return TokenVerifier(key=secret, algorithms=algorithms, rules=rules)


def public_key_verifier(pem: str, *, algorithms: tuple[str, ...], rules: ClaimRules) -> TokenVerifier:
    """Return a verifier with a PEM public key, by default for the key's own algorithm.

    Raises:
        ValueError: The key is not an RSA (2048 bits or more), EC or Ed25519 public key, or is of another type
            than an algorithm needs.
    """
    try:
        loaded = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        message = "not a PEM public key (-----BEGIN PUBLIC KEY-----)"
        raise ValueError(message) from None
    key, fitting = usable_key(loaded)
    for algorithm in algorithms:
        if algorithm not in fitting:
            message = f"{algorithm!r} does not go with this key; allowed are {', '.join(fitting)}"
            raise ValueError(message)
    accepted = with_other_names(algorithms or fitting[:1])
    return TokenVerifier(key=key, algorithms=accepted, rules=rules)


def refuse_service_token() -> NoReturn:
    """Reject a token issued by the service itself instead of the identity provider.

    Raises:
        Unauthenticated: Always.
    """
    detail = "This is not the kind of token that is asked for here."
    raise Unauthenticated(detail, reason="wrong_kind")


def _claims(payload: bytes) -> dict[str, Any]:
    claims = json.loads(payload)
    if not isinstance(claims, dict):
        message = "the claims are not a JSON object"
        raise jwt.DecodeError(message)
    return claims


def _reason(error: Exception, token: str) -> Refusal:
    if isinstance(error, jwt.InvalidSignatureError):
        return "signature"
    if isinstance(error, jwt.InvalidAlgorithmError):
        return "algorithm"
    return "critical_header" if "crit" in unverified_header(token) else "malformed"
