"""Signed claims in an object's metadata, which describe its upload.

Anyone who can read the object can read them. They give no access: they are not an upload id, and valid for
one key of one bucket only.
"""

import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from uploadsvc.domain.checksums import Algorithm, Checksum
from uploadsvc.tokens.derived_keys import derive_key
from uploadsvc.tokens.signed_ids import UploadClaims, decode_signed, encode_signed

if TYPE_CHECKING:
    from uploadsvc.domain.policy import Method

_TAG_BYTES: Final = 16


class ObjectClaims:
    """Signs and verifies the claims in objects.

    Args:
        secrets: The secret keys: the first signs, all verify.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._macs = [hmac.new(derive_key(secret, "object"), digestmod="sha256") for secret in secrets]

    def sign(self, claims: UploadClaims) -> str:
        """Sign claims for a metadata value. The result contains only ``A-Z a-z 0-9 - _``."""
        payload = "\n".join(_values(claims)).encode()
        return encode_signed(_tag(self._macs[0], claims.bucket, claims.key, payload) + payload)

    def verify(self, text: str, *, bucket: str, key: str) -> UploadClaims | None:
        """Verify the claims of an object. Returns ``None`` if they were not signed for it.

        Fields that are only in the upload id are empty: ``part_checksum``, ``upload_id``, ``part_size`` and
        ``expires_at``.
        """
        signed = decode_signed(text)
        tag, payload = signed[:_TAG_BYTES], signed[_TAG_BYTES:]
        if not any(hmac.compare_digest(tag, _tag(one, bucket, key, payload)) for one in self._macs):
            return None
        uuid, policy, method, least, most, media_type, algorithm, digest, flags, end, encoding = (
            payload.decode().split("\n")
        )
        return UploadClaims(
            upload_uuid=uuid,
            policy=policy,
            bucket=bucket,
            key=key,
            method=cast("Method", method),
            min_size=int(least),
            max_size=int(most),
            content_type=media_type,
            checksum=Checksum(cast("Algorithm", algorithm), digest) if algorithm else None,
            part_checksum=None,
            upload_id="",
            part_size=0,
            no_overwrite="n" in flags,
            tags_object="t" in flags,
            url_expires_at=int(end),
            expires_at=0,
            content_encoding=encoding,
        )


def _values(claims: UploadClaims) -> tuple[str, ...]:
    """Return the fields in order, without line breaks. Other fields need another version in `derive_key`."""
    checksum = claims.checksum
    return (
        claims.upload_uuid,
        claims.policy,
        claims.method,
        str(claims.min_size),
        str(claims.max_size),
        claims.content_type,
        checksum.algorithm if checksum else "",
        checksum.value if checksum else "",
        "n" * claims.no_overwrite + "t" * claims.tags_object,
        str(claims.url_expires_at),
        claims.content_encoding,
    )


def _tag(mac: hmac.HMAC, bucket: str, object_key: str, payload: bytes) -> bytes:
    # Unambiguous: bucket name and fields contain no line break, and the number of fields is fixed.
    mac = mac.copy()
    mac.update(b"\n".join((bucket.encode(), payload, object_key.encode())))
    return mac.digest()[:_TAG_BYTES]
