"""Receipts: what a completed upload is proved by, to a backend that asks nobody."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import jwt

from uploadsvc.tokens.receipt_keys import ReceiptPrivateKey, ReceiptPublicKey, SharedKey

TYP: Final = "uploadsvc-receipt+jwt"


class Receipts:
    """Signs receipts: JWTs (RFC 7519).

    Attributes:
        keys: What receipts are checked with: the signing key's (its public half, where it has one), then the
            others, each once.
        issuer: The claim ``iss``.
        audience: The claim ``aud``.

    Args:
        key: What signs: a private key, or a shared secret of 32 bytes or more.
        others: What receipts from before a rotation, or after the next, are checked with.
        issuer: The claim ``iss``.
        audience: The claim ``aud``.
        expires_in: How long a receipt counts, in seconds.
    """

    def __init__(
        self,
        *,
        key: ReceiptPrivateKey | SharedKey | bytes,
        others: Sequence[ReceiptPublicKey | SharedKey] = (),
        issuer: str,
        audience: str,
        expires_in: int,
    ) -> None:
        signing = SharedKey(key) if isinstance(key, bytes) else key
        checking = signing.public if isinstance(signing, ReceiptPrivateKey) else signing
        self.keys = tuple({one.kid: one for one in (checking, *others)}.values())
        self.issuer = issuer
        self.audience = audience
        self._expires_in = expires_in
        self._key = signing.key
        self._algorithm = checking.algorithm
        self._headers = {"typ": TYP, "kid": checking.kid}

    @property
    def public_keys(self) -> tuple[ReceiptPublicKey, ...]:
        """Those of the keys that anyone may have: none where receipts are signed with a secret."""
        return tuple(key for key in self.keys if isinstance(key, ReceiptPublicKey))

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
            "exp": issued_at + self._expires_in,
            "jti": jti,
        }
        return jwt.encode(
            {**registered, **claims}, self._key, algorithm=self._algorithm, headers=self._headers
        )
