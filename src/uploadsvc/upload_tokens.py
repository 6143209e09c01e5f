"""Upload tokens: short-lived JWTs (RFC 7519) that let their holder upload as one user, and no more."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import jwt

from uploadsvc.domain.errors import Unauthenticated
from uploadsvc.domain.principal import Principal
from uploadsvc.handles import derive_key

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

    def mint(self, user: str, policies: frozenset[str] | None, *, expires_at: datetime) -> str:
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

    def open(self, token: str) -> Principal:
        """Return who holds a token.

        Raises:
            Unauthenticated: It was not signed with any of our keys, is of another kind, or has ended.
        """
        claims = self._claims(token)
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

    def _claims(self, token: str) -> dict[str, Any]:
        for key in self._keys:
            try:
                decoded = jwt.decode_complete(
                    token,
                    key,
                    algorithms=["HS256"],
                    audience=_AUDIENCE,
                    # The end is asked of our own clock.
                    options={"require": ["exp", "sub"], "verify_exp": False},
                )
            except (jwt.PyJWTError, ValueError, RecursionError):
                # ValueError: PyJWT lets some of what json and base64 raise through.
                continue
            if decoded["header"].get("typ") == TYP:
                claims: dict[str, Any] = decoded["payload"]
                return claims
        detail = "The upload token is malformed, or its signature does not hold."
        raise Unauthenticated(detail)
