"""Upload tokens: short-lived JWTs (RFC 7519) that let their holder upload as one user, and no more."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import jwt

from uploadsvc.domain.errors import Unauthenticated
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.own_jwt import claims_of
from uploadsvc.tokens.signed_ids import derive_key

TYP: Final = "uploadsvc-upload+jwt"
_AUDIENCE: Final = "uploadsvc-upload"


class UploadTokens:
    """Mints upload tokens and opens them again.

    Args:
        secrets: The secret keys: the first signs, all open.
        clock: The time now, aware.
    """

    def __init__(self, secrets: Sequence[bytes], *, clock: Callable[[], datetime]) -> None:
        self._keys = [derive_key(secret, "upload-token") for secret in secrets]
        self._clock = clock

    def issue(self, user: str, policies: frozenset[str] | None, *, expires_at: datetime) -> str:
        """Return a token.

        Args:
            user: Whose uploads it makes.
            policies: Those it may use; ``None`` for all.
            expires_at: Its end, in whole seconds.
        """
        claims: dict[str, Any] = {"aud": _AUDIENCE, "sub": user, "exp": int(expires_at.timestamp())}
        if policies is not None:
            claims["policies"] = sorted(policies)
        return jwt.encode(claims, self._keys[0], algorithm="HS256", headers={"typ": TYP})

    def verify(self, token: str) -> Principal:
        """Return who holds a token.

        Raises:
            Unauthenticated: It was not signed with any of our keys, is of another kind, or has ended.
        """
        # The end is asked of our own clock.
        claims = claims_of(token, self._keys, typ=TYP, audience=_AUDIENCE, required=("exp", "sub"))
        if claims is None:
            detail = "The upload token is malformed, or its signature does not hold."
            raise Unauthenticated(detail)
        ends = datetime.fromtimestamp(claims["exp"], UTC)
        if ends <= self._clock():
            detail = "The upload token has expired."
            raise Unauthenticated(detail)
        policies = claims.get("policies")
        return Principal(
            user=claims["sub"],
            policies=None if policies is None else frozenset(policies),
            kind="upload_token",
            expires_at=ends,
        )
