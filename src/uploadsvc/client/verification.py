"""Verify webhooks and receipts offline, in a backend."""

import base64
import binascii
import hmac
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from uploadsvc.client import answers
from uploadsvc.client.errors import UploadsvcError

_TOLERANCE: Final = 300
"""Allowed difference in seconds between a webhook's timestamp and the clock, as in the Standard Webhooks
libraries.
"""

_ALGORITHMS: Final = ("EdDSA", "ES256", "RS256", "HS256")
_TYPE: Final = "uploadsvc-receipt+jwt"
_REQUIRED: Final = ("iss", "aud", "exp", "sub", "jti")
_PUBLIC_KEY_SIZE: Final = 32
"""Bytes of an Ed25519 public key (RFC 8032)."""

# `datetime.fromtimestamp` raises OverflowError or OSError for times that it cannot represent.
_UNUSABLE: Final = (
    *(ValueError, TypeError, KeyError, AttributeError, RecursionError),
    *(OverflowError, OSError),
)


class VerificationError(UploadsvcError):
    """Verification failed: ``invalid_webhook`` or ``invalid_receipt``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A verified webhook.

    Attributes:
        id: Id of the event; the same in every delivery.
        type: Event type, such as ``upload.completed``.
        timestamp: Time of the event.
        data: Data of the event. `docs/events.md` lists the fields.
    """

    id: str
    type: str
    timestamp: datetime
    data: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A verified receipt.

    Attributes:
        id: Id, the same in all receipts for the same bytes of an upload. Store it, because a receipt can be
            sent twice.
        user: Owner of the upload. Compare it with the user of your session.
        policy: Policy of the upload. Compare it with the one you expect.
        key: Key of the object.
        bucket: Name of the bucket.
        size: Size in bytes.
        content_type: Media type.
        etag: ETag without quotes.
        expires_at: Expiry time of the receipt.
        claims: All claims. `docs/receipts.md` lists them.
    """

    id: str
    user: str
    policy: str
    key: str
    bucket: str
    size: int
    content_type: str
    etag: str
    expires_at: datetime
    claims: Mapping[str, Any] = field(repr=False)


def verify_webhook(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance: float = _TOLERANCE,
) -> Event:
    """Verify a webhook (https://www.standardwebhooks.com) and return its event.

    Args:
        body: The raw request body, not parsed.
        headers: Headers of the request, in any case.
        secret: The receiver's secret (``whsec_…``), the service's public key (``whpk_…``), or several of
            them while one is being replaced.
        tolerance: Allowed difference in seconds between the request's timestamp and the clock.

    Raises:
        VerificationError: ``invalid_webhook``; respond with 401.
        ValueError: The secret is malformed.
    """
    keys = [_webhook_key(one) for one in ([secret] if isinstance(secret, str) else secret)]
    named = {name.lower(): value for name, value in headers.items()}
    event_id, sent_at = named.get("webhook-id", ""), named.get("webhook-timestamp", "")
    if not event_id or not re.fullmatch(r"[0-9]{1,12}", sent_at):
        _reject_webhook("It lacks webhook-id or webhook-timestamp.")
    if abs(time.time() - int(sent_at)) > tolerance:
        _reject_webhook("Its timestamp is too old or in the future.")
    try:
        raw = body.encode() if isinstance(body, str) else body
        signed = f"{event_id}.{sent_at}.".encode() + raw
    except UnicodeEncodeError:
        _reject_webhook("It is not valid Unicode.")
    signatures = named.get("webhook-signature", "").split()
    if not any(_signs(key, signature, signed) for key in keys for signature in signatures):
        _reject_webhook("No signature matches.")
    try:
        found = json.loads(raw)
        return Event(
            id=event_id,
            type=answers.text(found["type"]),
            timestamp=datetime.fromisoformat(found["timestamp"]),
            data=dict(found["data"]),
        )
    except _UNUSABLE:
        _reject_webhook("The body is not an event.")


def verify_receipt(
    receipt: str,
    *,
    secret: str | None = None,
    jwks: str | Mapping[str, Any] | None = None,
    user: str | None = None,
    policy: str | None = None,
    issuer: str = "uploadsvc",
    audience: str = "uploadsvc-receipts",
) -> Receipt:
    """Verify a receipt and return its content.

    Args:
        receipt: The JWT that `complete` returned.
        secret: The service's ``UPLOADSVC_RECEIPTS__SECRET``.
        jwks: The JWK Set from ``uploadsvc receipt-key`` or ``/.well-known/jwks.json``, as JSON or parsed.
        user: Required owner of the upload. Take it from your session, not from the request.
        policy: Required policy of the upload.
        issuer: The service's ``UPLOADSVC_RECEIPTS__ISSUER``.
        audience: The service's ``UPLOADSVC_RECEIPTS__AUDIENCE``.

    Raises:
        VerificationError: ``invalid_receipt``.
        ValueError: Not exactly one of ``secret`` and ``jwks`` is given, or the set is malformed.
    """
    import jwt  # noqa: PLC0415 - takes as long to import as all of the client

    if (secret is None) == (jwks is None) or secret == "":
        message = "give either secret or jwks"
        raise ValueError(message)
    keys = _receipt_keys(jwks) if jwks is not None else None
    key: Any
    try:
        if keys is None:
            key, algorithm = secret, "HS256"
        else:
            key = keys[jwt.get_unverified_header(receipt).get("kid")]
            algorithm = key.algorithm_name
        token = jwt.decode_complete(
            receipt,
            key,
            algorithms=[algorithm] if algorithm in _ALGORITHMS else [],
            issuer=issuer,
            audience=audience,
            options={"require": list(_REQUIRED)},
        )
        if token["header"].get("typ") != _TYPE:
            _reject_receipt("It is a JWT of another type.")
        found = _receipt(token["payload"])
    except KeyError:
        _reject_receipt("It is signed with another key, or lacks a claim.")
    except jwt.PyJWTError as error:
        # PyJWT's messages do not quote the token.
        _reject_receipt(f"{error}.")
    except _UNUSABLE:
        _reject_receipt("A claim is malformed.")
    if user is not None and found.user != user:
        _reject_receipt("It is for the upload of another user.")
    if policy is not None and found.policy != policy:
        _reject_receipt("It is for an upload with another policy.")
    return found


def _receipt(claims: Mapping[str, Any]) -> Receipt:
    return Receipt(
        id=answers.text(claims["jti"]),
        user=answers.text(claims["sub"]),
        policy=answers.text(claims["policy"]),
        key=answers.text(claims["key"]),
        bucket=answers.text(claims["bucket"]),
        size=answers.number(claims["size"]),
        content_type=answers.text(claims["content_type"]),
        etag=answers.text(claims["etag"]),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        claims=claims,
    )


def _receipt_keys(jwks: str | Mapping[str, Any]) -> "dict[str | None, Any]":
    import jwt  # noqa: PLC0415 - as above

    try:
        found = json.loads(jwks) if isinstance(jwks, str) else jwks
        return {key.key_id: key for key in jwt.PyJWKSet.from_dict(dict(found)).keys}
    except (jwt.PyJWTError, *_UNUSABLE):
        message = "jwks is not a JWK Set"
        raise ValueError(message) from None


def _webhook_key(secret: str) -> tuple[str, bytes]:
    kind, _, encoded = secret.rpartition("_")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key or kind not in {"", "whsec", "whpk"}:
        message = "a secret must be whsec_ and base64, as in the service's settings"
        raise ValueError(message)
    if kind == "whpk" and len(key) != _PUBLIC_KEY_SIZE:
        message = f"a public key must be whpk_ and {_PUBLIC_KEY_SIZE} bytes in base64"
        raise ValueError(message)
    return ("v1a" if kind == "whpk" else "v1"), key


def _signs(key: tuple[str, bytes], signature: str, signed: bytes) -> bool:
    version, secret = key
    named, _, encoded = signature.partition(",")
    if named != version:
        return False
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    if version == "v1":
        return hmac.compare_digest(given, hmac.digest(secret, signed, "sha256"))
    import jwt  # noqa: PLC0415 - as above

    public = base64.urlsafe_b64encode(secret).decode().rstrip("=")
    jwk = jwt.PyJWK({"kty": "OKP", "crv": "Ed25519", "x": public})
    return bool(jwk.Algorithm.verify(signed, jwk.key, given))


def _reject_webhook(detail: str) -> NoReturn:
    code, detail = "invalid_webhook", f"The webhook cannot be trusted. {detail}"
    raise VerificationError(code, detail) from None


def _reject_receipt(detail: str) -> NoReturn:
    code, detail = "invalid_receipt", f"The receipt cannot be trusted. {detail}"
    raise VerificationError(code, detail) from None
