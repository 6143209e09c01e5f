"""Action tokens: short-lived JWTs (RFC 7519) that let their holder do one thing with one upload.

They stand in addresses, for uploaders that send no credential there.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import jwt

from uploadsvc.domain.errors import NotFound, UploadExpired
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.own_jwt import claims_of
from uploadsvc.tokens.signed_ids import derive_key

TYP: Final = "uploadsvc-action+jwt"
Act = Literal["complete", "abort"]
_AUDIENCE: Final = "uploadsvc-action"


class ActionTokens:
    """Mints action tokens and opens them again.

    Args:
        secrets: The secret keys: the first signs, all open.
        clock: The time now, aware.
    """

    def __init__(self, secrets: Sequence[bytes], *, clock: Callable[[], datetime]) -> None:
        self._keys = [derive_key(secret, "action") for secret in secrets]
        self._clock = clock

    def issue(self, act: Act, upload_id: str, caller: Principal, *, expires_at: datetime) -> str:
        """Return a token: only ``A-Z a-z 0-9 - _ .``, so it can stand in a URL as it is.

        Args:
            act: What its holder may do.
            upload_id: The upload's id.
            caller: For whom, with no more than the rights that they have.
            expires_at: Its end, in whole seconds.
        """
        claims: dict[str, Any] = {
            "aud": _AUDIENCE,
            "sub": caller.user,
            "act": act,
            "upload": upload_id,
            "exp": int(expires_at.timestamp()),
        }
        if caller.policies is not None:
            claims["policies"] = sorted(caller.policies)
        return jwt.encode(claims, self._keys[0], algorithm="HS256", headers={"typ": TYP})

    def verify(self, token: str, act: Act) -> tuple[Principal, str]:
        """Return for whom a token was minted, and the id of the upload.

        Raises:
            NotFound: It was not signed with any of our keys, is of another kind, or for another act.
            UploadExpired: It has ended.
        """
        # The end is asked of our own clock.
        claims = claims_of(token, self._keys, typ=TYP, audience=_AUDIENCE, required=("exp", "sub", "upload"))
        if claims is None or claims.get("act") != act:
            # The same words as for an id that nobody sealed.
            detail = "There is no such upload."
            raise NotFound(detail)
        if claims["exp"] <= self._clock().timestamp():
            detail = "The time for this upload is over; create a new one."
            raise UploadExpired(detail)
        policies = claims.get("policies")
        caller = Principal(
            user=claims["sub"],
            policies=None if policies is None else frozenset(policies),
            kind="upload_token",
        )
        return caller, claims["upload"]
