"""JWTs (RFC 7519) of an identity provider, verified with a fixed key and fixed algorithms (RFC 8725)."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from uploadsvc.auth.public_keys import PublicKey, usable_key
from uploadsvc.domain.errors import Unauthenticated
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.jwts import SERVICE_TYPS

MAX_TOKEN_CHARACTERS: Final = 8192
"""Longer than any identity provider's token, and short enough to hash."""

LEEWAY: Final = timedelta(seconds=30)
"""Clock skew that is tolerated between the identity provider and the service."""

# RFC 7518 section 3.2: a key of the size of the hash output or larger.
_HMAC_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenVerifier:
    """Verifies the tokens of one issuer.

    Attributes:
        key: The shared secret, or the public key.
        algorithms: The accepted algorithms. They are never taken from the token.
        clock: The time now, aware.
        audience: Value that ``aud`` must be or contain; ``None`` if tokens have no audience.
        issuer: Required value of ``iss``, compared exactly; ``None`` to accept any.
        user_claim: The claim that names the user.
    """

    key: bytes | PublicKey
    algorithms: tuple[str, ...]
    clock: Callable[[], datetime]
    audience: str | None = None
    issuer: str | None = None
    user_claim: str = "sub"

    def verify(self, token: str) -> Principal:
        """Return the caller that a token names.

        Raises:
            Unauthenticated: The token is not valid. The detail says why, without quoting it.
        """
        header, claims = self._decode(token)
        self._check_times(claims)
        self._check_issuer(claims)
        self._check_audience(claims)
        if not isinstance(claims.get("jti", ""), str):
            _refuse_malformed()
        if str(header.get("typ")).startswith(SERVICE_TYPS):
            refuse_service_token()
        user = claims[self.user_claim]
        if not isinstance(user, str) or not user:
            detail = f"The token's {self.user_claim!r} claim is not a non-empty string."
            raise Unauthenticated(detail)
        return Principal(user=user, expires_at=_time(claims["exp"]))

    def _decode(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Verify the signature, and return header and claims."""
        try:
            decoded = jwt.decode_complete(
                token,
                self.key,
                algorithms=self.algorithms,
                # PyJWT would compare with the system's clock, so the claims are checked here.
                options={
                    "require": ["exp", self.user_claim],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_iss": False,
                    "verify_aud": False,
                    "verify_sub": False,
                    "verify_jti": False,
                },
            )
        except jwt.MissingRequiredClaimError as error:
            _refuse_without(error.claim)
        except (jwt.PyJWTError, ValueError, RecursionError):
            # PyJWT lets a ValueError of json or base64 through.
            _refuse_malformed()
        return decoded["header"], decoded["payload"]

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        """Check ``exp``, ``nbf`` and ``iat`` (RFC 7519 section 4.1). Text counts if it is an integer."""
        now, leeway = self.clock().timestamp(), LEEWAY.total_seconds()
        try:
            starts = [int(claims[name]) for name in ("iat", "nbf") if name in claims]
            ends = int(claims["exp"])
        except (ValueError, TypeError, OverflowError):
            _refuse_malformed()
        if any(start > now + leeway for start in starts):
            _refuse_malformed()
        if ends <= now - leeway:
            detail = "The token has expired."
            raise Unauthenticated(detail)

    def _check_issuer(self, claims: Mapping[str, Any]) -> None:
        if self.issuer is None:
            return
        if "iss" not in claims:
            _refuse_without("iss")
        if claims["iss"] != self.issuer:
            detail = "The token is of another issuer (iss)."
            raise Unauthenticated(detail)

    def _check_audience(self, claims: Mapping[str, Any]) -> None:
        """Check ``aud``: a string or a list of strings (RFC 7519 section 4.1.3)."""
        named = claims.get("aud")
        if self.audience is None:
            meant = not named
        elif not named:
            _refuse_without("aud")
        else:
            names = [named] if isinstance(named, str) else named
            strings = isinstance(names, list) and all(isinstance(name, str) for name in names)
            meant = strings and self.audience in names
        if not meant:
            detail = "The token is not meant for this service (aud)."
            raise Unauthenticated(detail)


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
    """Refuse a token that no key could verify, before its key is looked up.

    Raises:
        Unauthenticated: A part is malformed, or a critical extension (RFC 7515 section 4.1.11) unknown.
    """
    try:
        jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        detail = "The token is malformed."
        raise Unauthenticated(detail) from None


def secret_verifier(
    secret: bytes,
    *,
    algorithms: tuple[str, ...],
    audience: str | None,
    user_claim: str,
    clock: Callable[[], datetime],
    issuer: str | None = None,
) -> TokenVerifier:
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
    return TokenVerifier(
        key=secret,
        algorithms=algorithms,
        clock=clock,
        audience=audience,
        issuer=issuer,
        user_claim=user_claim,
    )


def public_key_verifier(
    pem: str,
    *,
    algorithms: tuple[str, ...],
    audience: str | None,
    user_claim: str,
    clock: Callable[[], datetime],
    issuer: str | None = None,
) -> TokenVerifier:
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
    return TokenVerifier(
        key=key,
        algorithms=algorithms or fitting[:1],
        clock=clock,
        audience=audience,
        issuer=issuer,
        user_claim=user_claim,
    )


def refuse_service_token() -> NoReturn:
    """Refuse a token that the service issued itself, where an identity provider's is expected.

    Raises:
        Unauthenticated: Always.
    """
    detail = "This is not the kind of token that is asked for here."
    raise Unauthenticated(detail)


def _refuse_malformed() -> NoReturn:
    detail = "The token is malformed, or its signature does not hold."
    raise Unauthenticated(detail) from None


def _refuse_without(claim: str) -> NoReturn:
    detail = f"The token has no {claim!r} claim."
    raise Unauthenticated(detail) from None


def _time(exp: object) -> datetime:
    # RFC 7519 section 2: a NumericDate is a JSON number. PyJWT accepts text, and years beyond 9999.
    if isinstance(exp, int | float):
        try:
            return datetime.fromtimestamp(exp, UTC)
        except (OverflowError, ValueError, OSError):
            pass
    detail = "The token's 'exp' claim is not a number of seconds that makes a time."
    raise Unauthenticated(detail)
