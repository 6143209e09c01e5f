"""Sealed upload ids, and the keys that everything sealed is sealed with.

An id is base64url of an HMAC-SHA256 tag and the payload that it covers. Nobody can edit one, no table is
looked up, and a kind of token never passes for another: each has its own key, derived by HKDF (RFC 5869).
"""

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from uploadsvc.domain.checksums import Algorithm, Checksum
from uploadsvc.domain.errors import NotFound
from uploadsvc.domain.parts import Parts
from uploadsvc.domain.policy import Method

MIN_SECRET_BYTES = 32
Purpose = Literal["upload", "unwatched", "upload-token", "receipt", "demo", "action"]

_TAG_BYTES = 32


def derive_key(secret: bytes, purpose: Purpose) -> bytes:
    """Return the 32-byte key of one purpose.

    Raises:
        ValueError: The secret has fewer than 32 bytes.
    """
    if len(secret) < MIN_SECRET_BYTES:
        message = f"a secret key needs at least {MIN_SECRET_BYTES} bytes"
        raise ValueError(message)
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"uploadsvc {purpose} v1".encode()).derive(
        secret
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadClaims:
    """What an upload's id carries from one call to the next.

    Attributes:
        upload_uuid: The upload's own name.
        policy: The policy's name.
        bucket: Where the object goes.
        key: The whole object key; its prefix says whose upload it is.
        method: How the bytes are sent.
        min_size: Least size in bytes.
        max_size: Most size in bytes; equal to ``min_size`` where the size was named.
        content_type: The media type that was signed; empty where it was left open.
        checksum: What the bytes must hash to, where it was named.
        part_checksum: The checksum that each part must bring, if any.
        upload_id: S3's own name for a multipart upload; empty otherwise.
        part_size: The size of its parts, in bytes; 0 where it is not known: for an id from a listing, and for
            an upload that began without its size.
        no_overwrite: Whether S3 is to refuse, at the end of a multipart upload, where an object is there.
        tags_object: Whether the object must name this upload in its metadata.
        replaceable_until: Until when a live URL could replace the object, Unix seconds; 0 for never.
        expires_at: When the id stops counting, Unix seconds.
    """

    upload_uuid: str
    policy: str
    bucket: str
    key: str
    method: Method
    min_size: int
    max_size: int
    content_type: str
    checksum: Checksum | None
    part_checksum: Algorithm | None
    upload_id: str
    part_size: int
    no_overwrite: bool
    tags_object: bool
    replaceable_until: int
    expires_at: int

    @property
    def parts(self) -> Parts:
        """How the file of a multipart upload is cut, where its size is known."""
        return Parts(self.max_size, self.part_size)

    @property
    def listed(self) -> bool:
        """Whether it came from a listing, which says little."""
        return not self.upload_uuid


def listed_claims(bucket: str, key: str, upload_id: str, expires_at: int) -> UploadClaims:
    """Return the handle of an upload of which nothing is known but what S3 lists."""
    return UploadClaims(
        upload_uuid="",
        policy="",
        bucket=bucket,
        key=key,
        method="multipart",
        min_size=0,
        max_size=0,
        content_type="",
        checksum=None,
        part_checksum=None,
        upload_id=upload_id,
        part_size=0,
        no_overwrite=True,
        tags_object=True,
        replaceable_until=0,
        expires_at=expires_at,
    )


class SignedIds:
    """Seals handles into ids and opens them again.

    Args:
        secrets: The secret keys: the first seals, all open.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._keys = [derive_key(secret, "upload") for secret in secrets]

    def sign(self, claims: UploadClaims) -> str:
        """Return the id: only ``A-Z a-z 0-9 - _``, so it can stand in a URL as it is."""
        payload = json.dumps(_values(claims), ensure_ascii=False, separators=(",", ":")).encode()
        return _encode(_tag(self._keys[0], payload) + payload)

    def verify(self, upload_id: str) -> UploadClaims:
        """Return the handle that an id carries. Whether it has expired is the caller's to ask.

        Raises:
            NotFound: It was not sealed with any of our keys.
        """
        sealed = _decode(upload_id)
        tag, payload = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
        if not any(hmac.compare_digest(tag, _tag(key, payload)) for key in self._keys):
            detail = "There is no such upload."
            raise NotFound(detail)
        values = json.loads(payload)
        if len(values) != len(UploadClaims.__dataclass_fields__):
            # Sealed by another release, whose ids had other fields.
            detail = "There is no such upload."
            raise NotFound(detail)
        fields = dict(zip(UploadClaims.__dataclass_fields__, values, strict=True))
        checksum = fields["checksum"]
        return UploadClaims(**{**fields, "checksum": Checksum(*checksum) if checksum else None})


def _values(claims: UploadClaims) -> list[object]:
    """List the fields in order; another set of fields needs another version in `derive_key`."""
    checksum = claims.checksum
    return [
        claims.upload_uuid,
        claims.policy,
        claims.bucket,
        claims.key,
        claims.method,
        claims.min_size,
        claims.max_size,
        claims.content_type,
        checksum and (checksum.algorithm, checksum.value),
        claims.part_checksum,
        claims.upload_id,
        claims.part_size,
        claims.no_overwrite,
        claims.tags_object,
        claims.replaceable_until,
        claims.expires_at,
    ]


def _encode(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    # Base64 has spare bits at its end: of the spellings of one id, only ours counts.
    return sealed if _encode(sealed) == text else b""


def _tag(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, payload, "sha256")
