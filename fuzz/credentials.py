"""What only this service can make: ids, tokens, UUIDs and deliveries; and headers that sign callers in."""

import asyncio
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from fuzz.inputs import fields, text
from uploadsvc.auth.api_keys import ApiKey
from uploadsvc.auth.authenticator import Authenticator, FixedKeyVerifier
from uploadsvc.auth.claims import ClaimRules
from uploadsvc.auth.jwt import secret_verifier
from uploadsvc.auth.request import AuthRequest, RawHeaders
from uploadsvc.auth.trusted_header import TrustedHeader, trusted_networks
from uploadsvc.domain.errors import NotFound, UploadsvcError
from uploadsvc.tokens.deliveries import Deliveries, Delivery, WrongDeliveryError
from uploadsvc.tokens.jwts import ACTION, DEMO, UPLOAD, ServiceTokens
from uploadsvc.tokens.signed_ids import SignedIds, UploadClaims
from uploadsvc.tokens.signed_uuids import SignedUuids

_SECRETS: Final = [b"the first secret key of the fuzz targets", b"the one before it, still accepted"]
_NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
_KEY: Final = "an API key of the fuzz targets"


def _now() -> datetime:
    return _NOW


_IDS: Final = SignedIds(_SECRETS)
_UUIDS: Final = SignedUuids(_SECRETS, clock=_now)
_DELIVERIES: Final = Deliveries(_SECRETS)


def ids(data: bytes) -> None:
    """An id that nobody signed is unknown, and a signed one keeps all its claims."""
    sent, policy, key, content_type, upload_id = fields(data, 5)
    try:
        claims = _IDS.verify(sent)
    except NotFound:
        pass
    else:
        assert _IDS.sign(claims) == sent or SignedIds(_SECRETS[1:]).sign(claims) == sent
    made = UploadClaims(
        upload_uuid="0190f3c0-0000-7000-8000-000000000000",
        policy=policy,
        bucket="media",
        key=key,
        method="multipart",
        min_size=0,
        max_size=len(data),
        content_type=content_type,
        checksum=None,
        part_checksum=None,
        upload_id=upload_id,
        part_size=5 * 2**20,
        no_overwrite=True,
        tags_object=False,
        url_expires_at=0,
        expires_at=0,
    )
    if not text(data).isascii():
        return
    signed = _IDS.sign(made)
    assert _IDS.verify(signed) == made
    _refuses_changed(signed, len(data))
    assert not _UUIDS.verify(sent, user=policy, policy="p") or _is_issued(sent)


def _refuses_changed(signed: str, seed: int) -> None:
    place = seed * 31 % len(signed)
    changed = signed[:place] + ("A" if signed[place] != "A" else "B") + signed[place + 1 :]
    for other in (changed, signed[:-1], f"{signed}=", f"{signed}\n"):
        try:
            _IDS.verify(other)
        except NotFound:
            continue
        raise AssertionError(other)


def _is_issued(sent: str) -> bool:
    # Twelve digits of a MAC are more than a fuzzer finds.
    return len(sent) < len("0190f3c0-0000-7000-8000-")


def deliveries(data: bytes) -> None:
    """A message is a delivery only if this service signed it."""
    sent, body = fields(data, 2)
    try:
        found = _DELIVERIES.decode(sent)
    except WrongDeliveryError:
        found = None
    # Its fields are signed, not the spaces between them.
    assert found is None or _DELIVERIES.decode(_DELIVERIES.encode(found)) == found
    try:
        made = Delivery(receiver=sent, event_id="e", body=body.encode(), attempt=1)
    except UnicodeEncodeError:
        return
    assert _DELIVERIES.decode(_DELIVERIES.encode(made)) == made


def tokens(data: bytes) -> None:
    """Text that nobody signed is no token, and raises the error of its kind."""
    sent = text(data)
    for kind in (UPLOAD, DEMO, ACTION):
        try:
            ServiceTokens(_SECRETS, kind=kind, clock=_now).verify(sent)
        except UploadsvcError:
            continue
        raise AssertionError(kind.typ)


_RULES: Final = ClaimRules(
    clock=_now,
    audiences=(),
    audience_claim="aud",
    issuer=None,
    user_claim="sub",
    integer_user=False,
    leeway=30,
)
_AUTHENTICATOR: Final = Authenticator(
    jwts=FixedKeyVerifier(secret_verifier(_SECRETS[0], algorithms=("HS256",), rules=_RULES), clock=_now),
    demo_tokens=None,
    upload_tokens=ServiceTokens(_SECRETS, kind=UPLOAD, clock=_now),
    api_keys=(ApiKey(name="billing", digest=sha256(_KEY.encode()).digest(), policies=None),),
    cookie="session",
    trusted_header=TrustedHeader(name="x-user", proxies=trusted_networks(["10.0.0.0/8"])),
    allowed_origins={"https://app.example.com"},
)


def headers(data: bytes) -> None:
    """No headers of a stranger sign anyone in; those of a service name its user exactly."""
    raw = []
    for line in data.split(b"\n"):
        name, _, value = line.partition(b":")
        raw.append((name.strip().lower(), value.strip()))
    for method, peer in (("POST", "192.0.2.7"), ("GET", None)):
        request = AuthRequest(method=method, headers=RawHeaders(raw), peer=peer)
        try:
            caller = asyncio.run(_AUTHENTICATOR.authenticate(request))
        except UploadsvcError:
            continue
        assert _KEY in text(data)
        assert caller.kind == "service"
