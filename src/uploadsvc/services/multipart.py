"""Multipart uploads: begun, signed part by part, looked at, put together, given up."""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Final

from uploadsvc.domain import errors
from uploadsvc.domain.checksums import Checksum, checksum_header
from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.keys import MAX_KEY_BYTES
from uploadsvc.domain.parts import MAX_PARTS, UploadedPart, ranges
from uploadsvc.domain.plan import Plan
from uploadsvc.s3.multipart import MultipartStorage, NoSuchUploadError, UnfinishedUpload
from uploadsvc.s3.presigner import Presigner
from uploadsvc.tokens.signed_ids import UploadClaims

FIRST_PARTS: Final = 100
"""So many parts are signed when an upload is created."""

MAX_SIGNED_PARTS: Final = 1000
"""So many can be asked for at once."""

_MAX_UPLOAD_ID: Final = 2048
_NOT_IN_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPart:
    """A presigned PUT of one part.

    Attributes:
        part_number: Counted from 1.
        size: The bytes that it must have; ``None`` where the upload began without its size.
        url: Where they go.
        headers: What must be sent with them.
    """

    part_number: int
    size: int | None
    url: str
    headers: Mapping[str, str]


class Multipart:
    """What is particular to multipart uploads.

    Args:
        storage: The bucket's multipart uploads.
        presigner: For what callers are handed.
    """

    def __init__(self, *, storage: MultipartStorage, presigner: Presigner) -> None:
        self._storage = storage
        self._presigner = presigner

    async def create(self, plan: Plan) -> str:
        """Begin an upload in S3, and return S3's name for it.

        Raises:
            UploadsvcError: S3 denies, fails or does not answer.
        """
        return await self._storage.create(plan.key, plan.headers, checksum=plan.part_checksum)

    def sign(
        self,
        claims: UploadClaims,
        part_numbers: Sequence[int],
        *,
        checksums: Sequence[str] | None,
        credentials: Credentials,
        now: datetime,
        expires_at: datetime,
    ) -> list[SignedPart]:
        """Sign parts, each for its exact size where that is known.

        Args:
            claims: The upload.
            part_numbers: Counted from 1.
            checksums: Of these parts, in their order, where the upload has them; in base64.
            credentials: What signs.
            now: The time of signing.
            expires_at: The end of the URLs.

        Raises:
            ValidationFailed: There is no such part, or its checksum is missing, malformed or unasked.
        """
        if claims.listed:
            raise _listed()
        if checksums is not None and len(checksums) != len(part_numbers):
            detail = "Give one checksum for each of the part numbers, in the same order."
            raise errors.ValidationFailed(detail, field="checksums")
        parts, upload_id = claims.parts if claims.part_size else None, claims.upload_id
        most = parts.count if parts else MAX_PARTS
        signed = []
        for number, checksum in zip(part_numbers, checksums or repeat(None), strict=False):
            if not 1 <= number <= most:
                detail = f"There is no part {number}; the upload has 1 to {most}."
                raise errors.ValidationFailed(detail, field="part_numbers")
            size = parts.size_of(number) if parts else None
            headers = _part_headers(claims, number, checksum)
            length = {} if size is None else {"Content-Length": str(size)}
            url = self._presigner.url(
                "PUT",
                claims.key,
                credentials=credentials,
                now=now,
                expires_at=expires_at,
                headers={**length, **headers},
                query={"partNumber": str(number), "uploadId": upload_id},
            )
            signed.append(SignedPart(part_number=number, size=size, url=url, headers=headers))
        return signed

    async def arrived(self, claims: UploadClaims) -> list[UploadedPart] | None:
        """Return the parts that S3 has, or ``None`` where it knows no such upload (any more).

        Raises:
            UploadsvcError: S3 denies, fails or does not answer.
        """
        try:
            return await self._storage.list_parts(
                claims.key,
                claims.upload_id,
                checksum=claims.part_checksum,
                part_count=claims.parts.count if claims.part_size else 0,
            )
        except NoSuchUploadError:
            return None

    async def assemble(self, claims: UploadClaims, etags: Mapping[int, str] | None) -> bool:
        """Put the parts together, once all are there with their right sizes.

        Args:
            claims: The upload.
            etags: What the caller believes to have sent, by part number; ``None`` leaves it to S3.

        Returns:
            Whether S3 knew the upload: if not, it is complete or was given up.

        Raises:
            UploadIncomplete: Parts are missing; the error names them.
            FileTooLarge: An upload that began without its size has grown above the policy's; likewise
                `FileTooSmall`.
            ValidationFailed: The caller names a part that there is not.
            ObjectExists: The upload may not replace what is there.
            UploadsvcError: S3 denies, fails, does not answer, or is still at it.
        """
        if claims.listed:
            raise _listed()
        try:
            # While S3 is at it, it need not list the parts any more.
            if await self._storage.joined(claims.upload_id):
                return True
            arrived = await self.arrived(claims)
            if arrived is None:
                return False
            choose = _all_parts if claims.part_size else _sent_parts
            whole = choose(claims, arrived, etags)
            await self._storage.complete(
                claims.key,
                claims.upload_id,
                whole,
                part_checksum=claims.part_checksum,
                checksum=claims.checksum,
                no_overwrite=claims.no_overwrite,
            )
        except NoSuchUploadError:
            return False
        return True

    async def abort(self, claims: UploadClaims) -> None:
        """Throw the parts away; twice is fine.

        Raises:
            UploadsvcError: S3 denies, fails or does not answer.
        """
        await self._storage.abort(claims.key, claims.upload_id)

    async def unfinished(
        self, prefix: str, *, cursor: str | None, limit: int
    ) -> tuple[list[UnfinishedUpload], str | None]:
        """List unfinished uploads under a prefix.

        Returns:
            The uploads, and what asks for the next ones.

        Raises:
            ValidationFailed: The cursor is none that a listing gave.
            UploadsvcError: S3 denies, fails or does not answer.
        """
        after = _decode_cursor(cursor, prefix) if cursor else ("", "")
        listed, last = await self._storage.list_uploads(prefix=prefix, after=after, limit=limit)
        # The prefix is asked of S3, and held to besides: not every store honours it.
        own = [upload for upload in listed if upload.key.startswith(prefix)]
        # A key that is somebody else's is not for a cursor to tell, which anyone can read.
        goes_on = last is not None and (not last[0] or last[0].startswith(prefix))
        return own, _encode_cursor(last, prefix) if last and goes_on else None


def _part_headers(claims: UploadClaims, number: int, value: str | None) -> dict[str, str]:
    if claims.part_checksum is None:
        if value is not None:
            detail = "This upload was created without a checksum, so its parts have none either."
            raise errors.ValidationFailed(detail, field="checksums")
        return {}
    if value is None:
        detail = (
            f"This upload was created with {claims.part_checksum}; give that of part {number}, in base64."
        )
        raise errors.ValidationFailed(detail, field="checksums")
    try:
        plain = Checksum(claims.part_checksum, value).digest == value
    except ValueError as error:
        detail = f"The checksum {error}."
        raise errors.ValidationFailed(detail, field="checksums") from None
    if not plain:
        detail = "The checksum of a part has no number of parts."
        raise errors.ValidationFailed(detail, field="checksums")
    return {checksum_header(claims.part_checksum): value}


def _all_parts(
    claims: UploadClaims, arrived: Sequence[UploadedPart], etags: Mapping[int, str] | None
) -> list[UploadedPart]:
    parts, by_number = claims.parts, {part.part_number: part for part in arrived}
    if unknown := [number for number in etags or () if number > parts.count]:
        detail = f"There is no part {unknown[0]}; the upload has 1 to {parts.count}."
        raise errors.ValidationFailed(detail, field="parts")
    lacking, other = [], []
    for number in range(1, parts.count + 1):
        part = by_number.get(number)
        if part is None or part.size != parts.size_of(number):
            lacking.append(number)
        elif etags is not None and etags.get(number, "").strip('"') != part.etag:
            other.append(number)
    if lacking:
        detail = f"{len(lacking)} of {parts.count} parts have not arrived: {ranges(lacking)}."
        raise errors.UploadIncomplete(detail, field="parts")
    if other:
        detail = f"S3 has other parts than those that were named: {ranges(other)}."
        raise errors.UploadIncomplete(detail, field="parts")
    return [by_number[number] for number in range(1, parts.count + 1)]


def _sent_parts(
    claims: UploadClaims, arrived: Sequence[UploadedPart], etags: Mapping[int, str] | None
) -> list[UploadedPart]:
    """Return the parts of an upload that began without its size: those that were named, and no others."""
    whole = sorted(arrived, key=lambda part: part.part_number)
    if not whole:
        detail = "No part has arrived."
        raise errors.UploadIncomplete(detail, field="parts")
    named = range(1, whole[-1].part_number + 1) if etags is None else etags
    there = {part.part_number: part.etag for part in whole}
    if lacking := [number for number in named if number not in there]:
        detail = f"Parts have not arrived: {ranges(lacking)}."
        raise errors.UploadIncomplete(detail, field="parts")
    if etags is not None:
        other = [number for number in there if etags.get(number, "").strip('"') != there[number]]
        if other:
            detail = f"S3 has other parts than those that were named: {ranges(other)}."
            raise errors.UploadIncomplete(detail, field="parts")
    check_total(sum(part.size for part in whole), min_size=claims.min_size, max_size=claims.max_size)
    return whole


def check_total(size: int, *, min_size: int, max_size: int) -> None:
    """Hold the parts of an upload that began without its size to its policy, before they are put together.

    Raises:
        FileTooLarge: They are above ``max_size``.
        FileTooSmall: They are below ``min_size``.
    """
    if size > max_size:
        detail = f"The parts have {size} bytes; the policy allows {max_size}."
        raise errors.FileTooLarge(detail, field="parts")
    if size < min_size:
        detail = f"The parts have {size} bytes; the policy wants {min_size}."
        raise errors.FileTooSmall(detail, field="parts")


def _listed() -> errors.MethodNotAvailable:
    detail = "An id from a listing serves for status and DELETE; to go on, use the one from the creation."
    return errors.MethodNotAvailable(detail, field="id")


def _encode_cursor(last: tuple[str, str], prefix: str) -> str:
    text = json.dumps([last[0].removeprefix(prefix), last[1]], ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _decode_cursor(cursor: str, prefix: str) -> tuple[str, str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        relative, upload_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        fits = (
            len(relative.encode()) <= MAX_KEY_BYTES - len(prefix.encode())
            and 0 < len(upload_id) <= _MAX_UPLOAD_ID
            and not _NOT_IN_XML.search(relative)
            and upload_id.isascii()
            and upload_id.isprintable()
        )
    except (binascii.Error, ValueError, TypeError, AttributeError, RecursionError):
        fits = False
    if not fits:
        detail = "The cursor is not one that a listing gave."
        raise errors.ValidationFailed(detail, field="cursor")
    return prefix + relative if relative else "", upload_id
