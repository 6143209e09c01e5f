"""Signed receipts that a backend can verify offline."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import jwt

from uploadsvc.domain.errors import ValidationFailed
from uploadsvc.tokens.receipt_keys import ReceiptPrivateKey, ReceiptPublicKey, SharedKey

TYP: Final = "uploadsvc-receipt+jwt"

_REQUIRED: Final = ("iss", "aud", "sub", "exp", "bucket", "key", "size", "etag", "policy")


class Receipts:
    """Signs receipts as JWTs (RFC 7519), and verifies its own.

    Attributes:
        keys: Verification keys without duplicates: that of the signing key (its public half, if any), then
            the others.
        issuer: The claim ``iss``.
        audience: The claim ``aud``.

    Args:
        key: The signing key: a private key, or a shared secret of at least 32 bytes.
        others: Keys for receipts from before a rotation or after the next one.
        issuer: The claim ``iss``.
        audience: The claim ``aud``.
        expires_in: Lifetime of a receipt in seconds.
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
        verifying = signing.public if isinstance(signing, ReceiptPrivateKey) else signing
        self.keys = tuple({one.kid: one for one in (verifying, *others)}.values())
        self.issuer = issuer
        self.audience = audience
        self._expires_in = expires_in
        self._key = signing.key
        self._algorithm = verifying.algorithm
        self._headers = {"typ": TYP, "kid": verifying.kid}

    @property
    def public_keys(self) -> tuple[ReceiptPublicKey, ...]:
        """The public keys: none if receipts are signed with a secret."""
        return tuple(key for key in self.keys if isinstance(key, ReceiptPublicKey))

    def sign(self, claims: Mapping[str, object], *, user: str, jti: str, now: datetime) -> str:
        """Return a receipt for an object.

        Args:
            claims: ``bucket key size content_type etag version_id checksum policy replaceable_until``, and
                ``detected_type`` and ``available`` if the policy inspects objects.
            user: The owner of the upload (``sub``).
            jti: Id of the receipt, the same for a repeated completion, so that a backend can count it once.
            now: Time of signing, aware.
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

    def verify(self, receipt: str, *, now: datetime) -> dict[str, Any]:
        """Verify a receipt of this service and return its claims.

        Args:
            receipt: The receipt.
            now: The current time, aware.

        Raises:
            ValidationFailed: It is not a receipt of this service, or has expired.
        """
        claims = self._claims(receipt)
        if claims is None:
            detail = "This is not a receipt of this service, or its signature is wrong."
            raise ValidationFailed(detail, field="receipt")
        if claims["exp"] <= now.timestamp():
            detail = "The receipt has expired; complete the upload again for a new one, or claim by key."
            raise ValidationFailed(detail, field="receipt")
        return claims

    def _claims(self, receipt: str) -> dict[str, Any] | None:
        for key in self.keys:
            try:
                decoded = jwt.decode_complete(
                    receipt,
                    key.key,
                    # One algorithm per key: RFC 8725 section 3.1.
                    algorithms=[key.algorithm],
                    audience=self.audience,
                    issuer=self.issuer,
                    # PyJWT would use the system clock.
                    options={
                        "require": list(_REQUIRED),
                        "verify_exp": False,
                        "verify_nbf": False,
                        "verify_iat": False,
                    },
                )
            except (jwt.PyJWTError, ValueError, RecursionError):
                # PyJWT passes on a ValueError from json or base64.
                continue
            if decoded["header"].get("typ") == TYP:
                claims: dict[str, Any] = decoded["payload"]
                return claims
        return None
