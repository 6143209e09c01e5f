"""Bearer tokens: JWTs (RFC 7519) checked with one fixed key and fixed algorithms (RFC 8725)."""

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from uploadsvc.auth.public_keys import PublicKey, usable_key
from uploadsvc.domain.errors import Unauthenticated
from uploadsvc.domain.principal import Principal

MAX_TOKEN_CHARACTERS = 8192
"""No identity provider's token comes near it, and nothing longer is worth hashing."""

LEEWAY = timedelta(seconds=30)

DEMO_TYP = "uploadsvc-demo+jwt"
OUR_TYPS = "uploadsvc-"
"""How the ``typ`` of every token begins that this service makes."""

_DEMO_AUDIENCE = "uploadsvc-demo"

# RFC 7518 section 3.2: a key of the size of the hash output or larger.
_HMAC_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenVerifier:
    """Checks tokens of one issuer.

    Attributes:
        key: The shared secret, or the public key.
        algorithms: Those accepted; never taken from the token.
        audience: What ``aud`` must be or hold; ``None`` where tokens have none.
        issuer: What ``iss`` must be, character by character; ``None`` where anyone with the key may issue.
        user_claim: The claim that names the user.
        typ: What the header's ``typ`` must be, where this kind of token has one of its own.
    """

    key: bytes | PublicKey
    algorithms: tuple[str, ...]
    audience: str | None = None
    issuer: str | None = None
    user_claim: str = "sub"
    typ: str | None = None

    def principal(self, token: str) -> Principal:
        """Return who a token speaks for.

        Raises:
            Unauthenticated: It does not hold; the detail says why, and nothing of the token.
        """
        try:
            decoded = jwt.decode_complete(
                token,
                self.key,
                algorithms=self.algorithms,
                audience=self.audience,
                issuer=self.issuer,
                leeway=LEEWAY,
                options={"require": ["exp", self.user_claim], "verify_sub": False},
            )
        except jwt.ExpiredSignatureError:
            detail = "The token has expired."
            raise Unauthenticated(detail) from None
        except jwt.InvalidAudienceError:
            detail = "The token is not meant for this service (aud)."
            raise Unauthenticated(detail) from None
        except jwt.InvalidIssuerError:
            detail = "The token is of another issuer (iss)."
            raise Unauthenticated(detail) from None
        except jwt.MissingRequiredClaimError as error:
            detail = f"The token has no {error.claim!r} claim."
            raise Unauthenticated(detail) from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            # ValueError: PyJWT lets some of what json and base64 raise through.
            detail = "The token is malformed, or its signature does not hold."
            raise Unauthenticated(detail) from None
        typ = decoded["header"].get("typ")
        # Tokens of ours have a kind each: none passes where another's is asked for, or nobody's.
        if typ != self.typ and (self.typ is not None or str(typ).startswith(OUR_TYPS)):
            detail = "This is not the kind of token that is asked for here."
            raise Unauthenticated(detail)
        user = decoded["payload"][self.user_claim]
        if not isinstance(user, str) or not user:
            detail = f"The token's {self.user_claim!r} claim is not a non-empty string."
            raise Unauthenticated(detail)
        return Principal(user=user, expires_at=_time(decoded["payload"]["exp"]))


def unverified_header(token: str) -> dict[str, Any]:
    """Return a token's header as it came, or an empty one: good for choosing a verifier, nothing else.

    PyJWT's own function looks at every character of the whole token, which takes as long as all of a check.
    """
    first = token.partition(".")[0]
    try:
        header = json.loads(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}


def token_typ(token: str) -> str | None:
    """Return what a token says of its own kind, unverified: good for choosing a verifier, nothing else."""
    typ = unverified_header(token).get("typ")
    return typ if isinstance(typ, str) else None


def check_form(token: str) -> None:
    """Refuse what is no JWT that any key could verify, before anything is done to find its key.

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
    issuer: str | None = None,
) -> TokenVerifier:
    """Return a verifier with a shared secret; HS256 where no algorithm is named.

    Raises:
        ValueError: An algorithm that is not an HMAC, or a secret shorter than its hash.
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
        key=secret, algorithms=algorithms, audience=audience, issuer=issuer, user_claim=user_claim
    )


def public_key_verifier(
    pem: str,
    *,
    algorithms: tuple[str, ...],
    audience: str | None,
    user_claim: str,
    issuer: str | None = None,
) -> TokenVerifier:
    """Return a verifier with a PEM public key; the algorithm is the key's own where none is named.

    Raises:
        ValueError: Not an RSA (2048 bits or more), EC or Ed25519 public key, or another key's algorithm.
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
        audience=audience,
        issuer=issuer,
        user_claim=user_claim,
    )


def demo_verifier(key: bytes) -> TokenVerifier:
    """Return the verifier of the demo users' tokens."""
    return TokenVerifier(key=key, algorithms=("HS256",), audience=_DEMO_AUDIENCE, typ=DEMO_TYP)


def demo_token(key: bytes, *, user: str, now: datetime, expires_in: int) -> str:
    """Return a demo user's token, good for ``expires_in`` seconds."""
    claims = {"sub": user, "aud": _DEMO_AUDIENCE, "exp": now + timedelta(seconds=expires_in)}
    return jwt.encode(claims, key, algorithm="HS256", headers={"typ": DEMO_TYP})


def _time(exp: object) -> datetime:
    # RFC 7519 section 2: a NumericDate is a JSON number. PyJWT takes text too, and years beyond 9999.
    if isinstance(exp, int | float):
        try:
            return datetime.fromtimestamp(exp, UTC)
        except (OverflowError, ValueError, OSError):
            pass
    detail = "The token's 'exp' claim is not a number of seconds that makes a time."
    raise Unauthenticated(detail)
