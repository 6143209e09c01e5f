"""Signed upload ids, which contain the state of uploads, so that the service needs no database.

An id is the base64url of an HMAC-SHA256 tag and its JSON payload. Anyone can read an id, but only the service
can create one.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_core import to_json

from uploadsvc.domain.checksums import Algorithm, Checksum
from uploadsvc.domain.errors import NotFound
from uploadsvc.domain.parts import Parts
from uploadsvc.domain.policy import Method
from uploadsvc.tokens.derived_keys import derive_key

_TAG_BYTES = 32


# Not frozen: freezing would double the time to create one in every request.
@dataclass(slots=True, kw_only=True)
class UploadClaims:
    """The state of an upload, from its id.

    Attributes:
        upload_uuid: The UUID of the upload; empty in an id from a listing.
        policy: The policy's name.
        bucket: The bucket of the object.
        key: The whole object key; its prefix identifies the owner.
        method: How the bytes are sent.
        min_size: Minimum size in bytes.
        max_size: Maximum size in bytes; equal to ``min_size`` if the request named the size.
        content_type: The media type that was signed; empty if any is accepted.
        checksum: The checksum of the whole file, if the request named one.
        part_checksum: The checksum algorithm of the parts, if they need one.
        upload_id: S3's id of a multipart upload; empty otherwise.
        part_size: The part size in bytes; 0 if unknown, in an id from a listing or of an upload that started
            without its size.
        no_overwrite: Whether S3 must refuse to complete a multipart upload over an existing object.
        tags_object: Whether the object's metadata must contain the upload's UUID.
        url_expires_at: Expiry time of the URL or the form, Unix seconds; 0 for a multipart upload.
        expires_at: Expiry time of the id, Unix seconds.
        content_encoding: The content encoding that was signed; empty for none.
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
    url_expires_at: int
    expires_at: int
    content_encoding: str = ""

    @property
    def parts(self) -> Parts:
        """The parts of a multipart upload of known size."""
        return Parts(self.max_size, self.part_size)

    @property
    def listed(self) -> bool:
        """Whether the id comes from a listing, with only bucket, key and ``upload_id``."""
        return not self.upload_uuid


def listed_claims(bucket: str, key: str, upload_id: str, expires_at: int) -> UploadClaims:
    """Return the claims of an upload in a listing."""
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
        url_expires_at=0,
        expires_at=expires_at,
    )


class SignedIds:
    """Signs and verifies upload ids.

    Args:
        secrets: The secret keys: the first signs, all verify.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        # Copying one takes half the time of preparing a key.
        self._macs = [hmac.new(derive_key(secret, "upload"), digestmod="sha256") for secret in secrets]

    def sign(self, claims: UploadClaims) -> str:
        """Sign claims. The id contains only ``A-Z a-z 0-9 - _``, so it needs no encoding in a URL."""
        payload = to_json(_values(claims))
        return encode_signed(_tag(self._macs[0], payload) + payload)

    def verify(self, upload_id: str) -> UploadClaims:
        """Verify an id and return its claims, expired or not.

        Raises:
            NotFound: It was not signed with any of our keys.
        """
        signed = decode_signed(upload_id)
        tag, payload = signed[:_TAG_BYTES], signed[_TAG_BYTES:]
        if not any(hmac.compare_digest(tag, _tag(mac, payload)) for mac in self._macs):
            detail = "There is no such upload."
            raise NotFound(detail)
        values = json.loads(payload)
        names = list(UploadClaims.__dataclass_fields__)
        if len(values) not in {len(names) - 1, len(names)}:
            # Signed by another release, with other fields.
            detail = "There is no such upload."
            raise NotFound(detail)
        # The last field is left out if empty.
        fields = dict(zip(names, values, strict=False))
        checksum = fields["checksum"]
        return UploadClaims(**{**fields, "checksum": Checksum(*checksum) if checksum else None})


def _values(claims: UploadClaims) -> list[object]:
    """Return the fields in order. Other fields need another version in `derive_key`."""
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
        claims.url_expires_at,
        claims.expires_at,
        *([claims.content_encoding] if claims.content_encoding else []),
    ]


def encode_signed(signed: bytes) -> str:
    """Return base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


def decode_signed(text: str) -> bytes:
    """Reverse `encode_signed`. Returns nothing for text that it never returns."""
    try:
        signed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    # Base64 has spare bits at the end, so an id has several spellings. Accept only ours.
    return signed if encode_signed(signed) == text else b""


def _tag(mac: hmac.HMAC, payload: bytes) -> bytes:
    mac = mac.copy()
    mac.update(payload)
    return mac.digest()
