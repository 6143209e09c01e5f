"""Multipart uploads: sign parts, assemble them, list unfinished uploads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Final

from uploadsvc.domain import errors
from uploadsvc.domain.keys import MAX_KEY_BYTES
from uploadsvc.domain.parts import MAX_PARTS, UploadedPart, part_headers, planned_parts, sent_parts
from uploadsvc.s3.multipart import MultipartStorage, NoSuchUploadError, UnfinishedUpload
from uploadsvc.s3.presigner import SigningBatch
from uploadsvc.services.cursors import decode_cursor, encode_cursor, is_listed_key, malformed_cursor
from uploadsvc.tokens.signed_ids import UploadClaims

FIRST_PARTS: Final = 100
"""Parts to sign when an upload is created."""

MAX_SIGNED_PARTS: Final = 1000
"""Maximum number of parts that one call can sign."""

_MAX_UPLOAD_ID: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPart:
    """A presigned PUT of one part.

    Attributes:
        part_number: From 1.
        size: Exact size of the part in bytes; ``None`` if the size of the upload is unknown.
        url: Presigned URL.
        headers: Headers that must be sent with it.
    """

    part_number: int
    size: int | None
    url: str
    headers: Mapping[str, str]


def sign_parts(
    claims: UploadClaims,
    part_numbers: Sequence[int],
    *,
    checksums: Sequence[str] | None,
    batch: SigningBatch,
) -> list[SignedPart]:
    """Sign parts, each for its exact size if known.

    Args:
        claims: The upload.
        part_numbers: From 1.
        checksums: Checksums of these parts in the same order, in base64, if the upload uses any.
        batch: Signs the URLs.

    Raises:
        ValidationFailed: A part does not exist, or its checksum is missing, malformed or unexpected.
    """
    check_signable(claims, part_numbers, checksums)
    parts = claims.parts if claims.part_size else None
    last = parts.count if parts else MAX_PARTS
    signed = []
    for number, checksum in zip(part_numbers, checksums or repeat(None), strict=False):
        if not 1 <= number <= last:
            detail = f"There is no part {number}; the upload has 1 to {last}."
            raise errors.ValidationFailed(detail, field="part_numbers")
        size = parts.size_of(number) if parts else None
        headers = part_headers(claims.part_checksum, number, checksum)
        length = {} if size is None else {"Content-Length": str(size)}
        url = batch.url(
            "PUT",
            claims.key,
            headers={**length, **headers},
            query={"partNumber": str(number), "uploadId": claims.upload_id},
        )
        signed.append(SignedPart(part_number=number, size=size, url=url, headers=headers))
    return signed


def check_signable(
    claims: UploadClaims, part_numbers: Sequence[int], checksums: Sequence[str] | None
) -> None:
    """Check that parts of this upload can be signed, and that there is a checksum for each or for none.

    Raises:
        MethodNotAvailable: The id comes from a listing.
        ValidationFailed: The number of checksums is wrong.
    """
    check_resumable(claims)
    if checksums is not None and len(checksums) != len(part_numbers):
        detail = "Give one checksum for each part number, in the same order."
        raise errors.ValidationFailed(detail, field="checksums")


async def uploaded_parts(storage: MultipartStorage, claims: UploadClaims) -> list[UploadedPart] | None:
    """Return the parts that S3 has, or ``None`` if S3 does not know the upload.

    Raises:
        UploadsvcError: S3 denies the call, fails or does not answer.
    """
    try:
        return await storage.list_parts(
            claims.key,
            claims.upload_id,
            checksum=claims.part_checksum,
            part_count=claims.parts.count if claims.part_size else 0,
        )
    except NoSuchUploadError:
        return None


async def assemble(storage: MultipartStorage, claims: UploadClaims, etags: Mapping[int, str] | None) -> bool:
    """Assemble the parts, if all of them have arrived with the right sizes.

    Args:
        storage: Multipart uploads of the bucket.
        claims: The upload.
        etags: ETags that the caller received, by part number; ``None`` to use those that S3 has.

    Returns:
        Whether S3 knows the upload. If not, it is complete or aborted.

    Raises:
        UploadIncomplete: Parts are missing; the error names them.
        FileTooLarge: An upload of unknown size is above the policy's limit; likewise `FileTooSmall`.
        ValidationFailed: The caller names a part that does not exist.
        ObjectExists: The upload may not replace the object with this key.
        UploadsvcError: S3 denies the call, fails, does not answer, or is still assembling.
    """
    check_resumable(claims)
    try:
        # While S3 is assembling, the parts need not be listed again.
        if await storage.joined(claims.upload_id):
            return True
        arrived = await uploaded_parts(storage, claims)
        if arrived is None:
            return False
        if claims.part_size:
            parts = planned_parts(claims.parts, arrived, etags)
        else:
            parts = sent_parts(arrived, etags, min_size=claims.min_size, max_size=claims.max_size)
        await storage.complete(
            claims.key,
            claims.upload_id,
            parts,
            part_checksum=claims.part_checksum,
            checksum=claims.checksum,
            no_overwrite=claims.no_overwrite,
        )
    except NoSuchUploadError:
        return False
    return True


def check_resumable(claims: UploadClaims) -> None:
    """Check that an id can be used to send parts.

    Raises:
        MethodNotAvailable: The id comes from a listing, which knows neither sizes nor policy.
    """
    if claims.listed:
        detail = (
            "An id from a listing allows status and DELETE only; to resume, use the id from the creation."
        )
        raise errors.MethodNotAvailable(detail, field="id")


async def unfinished_uploads(
    storage: MultipartStorage, prefix: str, *, cursor: str | None, limit: int
) -> tuple[list[UnfinishedUpload], str | None]:
    """List unfinished uploads under a prefix.

    Returns:
        The uploads, and the cursor of the next page.

    Raises:
        ValidationFailed: The cursor is malformed.
        UploadsvcError: S3 denies the call, fails or does not answer.
    """
    after = _decode(cursor, prefix) if cursor else ("", "")
    listed, last = await storage.list_uploads(prefix=prefix, after=after, limit=limit)
    # Some stores ignore the prefix.
    own = [upload for upload in listed if upload.key.startswith(prefix)]
    # Cursors are not encrypted, so they must not contain another user's key.
    more = last is not None and (not last[0] or last[0].startswith(prefix))
    return own, _encode(last, prefix) if last and more else None


def _encode(last: tuple[str, str], prefix: str) -> str:
    return encode_cursor(json.dumps([last[0].removeprefix(prefix), last[1]], ensure_ascii=False))


def _decode(cursor: str, prefix: str) -> tuple[str, str]:
    try:
        relative, upload_id = json.loads(decode_cursor(cursor))
        valid = (
            is_listed_key(relative, max_bytes=MAX_KEY_BYTES - len(prefix.encode()))
            and 0 < len(upload_id) <= _MAX_UPLOAD_ID
            and upload_id.isascii()
            and upload_id.isprintable()
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        valid = False
    if not valid:
        raise malformed_cursor()
    return prefix + relative if relative else "", upload_id
