"""Short-lived JWTs (RFC 7519) that the service issues and verifies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Literal

import jwt

from uploadsvc.domain.errors import NotFound, Unauthenticated, UploadExpired, UploadsvcError
from uploadsvc.domain.principal import Principal
from uploadsvc.domain.quotas import QuotaChange, changes_json, parse_changes
from uploadsvc.tokens.derived_keys import Purpose, derive_key
from uploadsvc.tokens.known_tokens import KnownTokens

SERVICE_TYPS: Final = "uploadsvc-"
"""Prefix of ``typ`` in every token that the service issues."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKind:
    """A kind of token. It has its own key, ``typ`` and ``aud``, so it is never accepted as another kind.

    Attributes:
        purpose: Purpose of its derived keys.
        typ: Its header ``typ``.
        audience: Its claim ``aud``.
        required: Required claims besides ``aud``.
        caller: Kind of the `Principal` that holds it.
        invalid: Creates the error for anything but a token of this kind.
        expired: Creates the error for an expired token.
    """

    purpose: Purpose
    typ: str
    audience: str
    required: Sequence[str] = ("exp", "sub")
    caller: Literal["user", "upload_token"] = "upload_token"
    invalid: Callable[[], UploadsvcError]
    expired: Callable[[], UploadsvcError]


UPLOAD: Final = TokenKind(
    purpose="upload-token",
    typ="uploadsvc-upload+jwt",
    audience="uploadsvc-upload",
    invalid=partial(
        Unauthenticated,
        "The upload token is malformed, or its signature is wrong.",
        reason="service_token",
    ),
    expired=partial(Unauthenticated, "The upload token has expired.", reason="expired"),
)
"""Lets its holder upload for one user, and nothing else."""

ACTION: Final = TokenKind(
    purpose="action",
    typ="uploadsvc-action+jwt",
    audience="uploadsvc-action",
    required=("exp", "sub", "act", "upload"),
    # The error is that for an unknown upload id, because the token replaces one.
    invalid=partial(NotFound, "There is no such upload."),
    expired=partial(UploadExpired, "This upload has expired; create a new one."),
)
"""Allows one action (``act``) on one upload (``upload``). Part of the URL of a request without a
credential.
"""

DEMO: Final = TokenKind(
    purpose="demo",
    typ="uploadsvc-demo+jwt",
    audience="uploadsvc-demo",
    caller="user",
    invalid=partial(
        Unauthenticated, "The token is malformed, or its signature is wrong.", reason="service_token"
    ),
    expired=partial(Unauthenticated, "The token has expired.", reason="expired"),
)
"""Authenticates a demo user."""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token with verified signature, kind and expiry time.

    Attributes:
        principal: Its holder.
        claims: All of its claims.
    """

    principal: Principal
    claims: dict[str, Any]


class ServiceTokens:
    """Issues and verifies tokens of one kind.

    Args:
        secrets: The secret keys: the first signs, all verify.
        kind: `UPLOAD`, `ACTION` or `DEMO`.
        clock: Returns the current time, aware.
    """

    def __init__(self, secrets: Sequence[bytes], *, kind: TokenKind, clock: Callable[[], datetime]) -> None:
        self._keys = [derive_key(secret, kind.purpose) for secret in secrets]
        self._kind = kind
        self._clock = clock
        self._known = KnownTokens[dict[str, Any]](clock)

    def known_count(self) -> int:
        """Return the number of cached tokens."""
        return len(self._known)

    def issue(
        self,
        user: str,
        policies: frozenset[str] | None = None,
        *,
        expires_at: datetime,
        quotas: Mapping[str, QuotaChange] | None = None,
        **claims: str,
    ) -> str:
        """Issue a token. It contains only ``A-Z a-z 0-9 - _ .``, so it needs no encoding in a URL.

        Args:
            user: The user to upload for.
            policies: The policies it may use; ``None`` for all.
            expires_at: Expiry time, in whole seconds.
            quotas: The user's own quotas; ``None`` for those of the policies.
            claims: Additional claims of this kind.
        """
        payload: dict[str, Any] = {
            "aud": self._kind.audience,
            "sub": user,
            **claims,
            "exp": int(expires_at.timestamp()),
        }
        if policies is not None:
            payload["policies"] = sorted(policies)
        if quotas is not None:
            payload["quotas"] = changes_json(quotas)
        return jwt.encode(payload, self._keys[0], algorithm="HS256", headers={"typ": self._kind.typ})

    def verify(self, token: str, **expected: str) -> VerifiedToken:
        """Verify a token and return its holder and claims.

        Args:
            token: The token.
            expected: Claims that must have exactly these values.

        Raises:
            UploadsvcError: It is not a token of this kind, or has expired; `TokenKind` defines the errors.
        """
        known = self._known.get(token)
        claims = known or self._claims(token)
        if claims is None or any(claims.get(name) != value for name, value in expected.items()):
            raise self._kind.invalid()
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        if expires_at <= self._clock():
            raise self._kind.expired()
        if known is None:
            self._known.keep(token, claims, expires_at=expires_at)
        policies, quotas = claims.get("policies"), claims.get("quotas")
        principal = Principal(
            user=claims["sub"],
            policies=None if policies is None else frozenset(policies),
            kind=self._kind.caller,
            expires_at=expires_at,
            quotas=None if quotas is None else parse_changes(quotas),
        )
        return VerifiedToken(principal, claims)

    def _claims(self, token: str) -> dict[str, Any] | None:
        """Return the claims of a token of this kind, expired or not."""
        for key in self._keys:
            try:
                decoded = jwt.decode_complete(
                    token,
                    key,
                    algorithms=["HS256"],
                    audience=self._kind.audience,
                    # PyJWT would use the system clock.
                    options={
                        "require": list(self._kind.required),
                        "verify_exp": False,
                        "verify_nbf": False,
                        "verify_iat": False,
                    },
                )
            except (jwt.PyJWTError, ValueError, RecursionError):
                # PyJWT passes on a ValueError from json or base64.
                continue
            if decoded["header"].get("typ") == self._kind.typ:
                claims: dict[str, Any] = decoded["payload"]
                return claims
        return None
