"""Receipts: what a completed upload is proved by, to a backend that asks nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import jwt

TYP = "uploadsvc-receipt+jwt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipts:
    """Signs receipts: JWTs (RFC 7519) by HS256.

    Attributes:
        key: The shared secret, 32 bytes or more.
        issuer: The claim ``iss``.
        audience: The claim ``aud``.
        expires_in: How long a receipt counts, in seconds.
    """

    key: bytes
    issuer: str
    audience: str
    expires_in: int

    def sign(self, claims: Mapping[str, object], *, user: str, jti: str, now: datetime) -> str:
        """Return a receipt over ``claims`` about an object.

        Args:
            claims: ``bucket key size content_type etag version_id checksum policy``.
            user: Whose upload it was (``sub``).
            jti: The upload's own name: a repeated completion gives the same, so a backend can count it once.
            now: The time of signing, aware.
        """
        issued_at = int(now.timestamp())
        registered = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": user,
            "iat": issued_at,
            "exp": issued_at + self.expires_in,
            "jti": jti,
        }
        return jwt.encode({**registered, **claims}, self.key, algorithm="HS256", headers={"typ": TYP})
