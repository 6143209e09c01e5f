"""Multipart uploads in S3: create, list, complete, abort."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from uploadsvc.domain.checksums import Algorithm, Checksum, is_composite
from uploadsvc.domain.errors import (
    ObjectExists,
    StillAssembling,
    StorageUnavailable,
    UploadIncomplete,
    UploadsvcError,
    VerificationFailed,
)
from uploadsvc.domain.parts import MAX_PARTS, UploadedPart
from uploadsvc.s3.completion import completion_body
from uploadsvc.s3.errors import RefusedError
from uploadsvc.s3.storage import ASSEMBLIES, Storage

ASSEMBLY_DEADLINE: Final = 300.0
"""Seconds for S3 to assemble the parts. Its documentation mentions minutes.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

PATIENCE: Final = 3.0
"""Seconds that a caller waits for the assembly. This leaves time to list the parts and check the object."""

MAX_ASSEMBLING: Final = 4 * ASSEMBLIES
"""Maximum number of running and waiting assemblies. Each keeps a list of up to 10,000 parts."""

_RETRY_AFTER: Final = 10

_PARAMETERS: Final = {
    "Content-Type": "ContentType",
    "Content-Encoding": "ContentEncoding",
    "Cache-Control": "CacheControl",
    "Content-Disposition": "ContentDisposition",
    "x-amz-acl": "ACL",
    "x-amz-storage-class": "StorageClass",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-tagging": "Tagging",
}
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_METADATA: Final = "x-amz-meta-"
_PAGE: Final = 1000
_NO_SUCH_UPLOAD: Final = frozenset({"NoSuchUpload", "NoSuchKey"})
"""Error codes of an upload that is complete or aborted; Ceph's gateway sends the second for a list of
parts.
"""

_REFUSALS: Final[Mapping[str, tuple[type[UploadsvcError], str]]] = {
    "PreconditionFailed": (ObjectExists, "There is an object under this key already."),
    "InvalidPart": (UploadIncomplete, "S3 no longer has one of the parts; send it again."),
    "EntityTooSmall": (UploadIncomplete, "S3 says that one of the parts is too small; send it again."),
    "BadDigest": (
        VerificationFailed,
        "The assembled object has a different checksum than the upload was created with.",
    ),
}


class NoSuchUploadError(Exception):
    """S3 does not know the multipart upload: it is complete, aborted or never existed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedUpload:
    """A multipart upload that is neither complete nor aborted.

    Attributes:
        key: Key of the object.
        upload_id: S3's upload id.
        started_at: Time of its creation, in UTC.
    """

    key: str
    upload_id: str
    started_at: datetime


class MultipartStorage:
    """Multipart uploads of one bucket.

    Args:
        storage: The bucket. It must be open before methods are called.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._assembling: dict[str, asyncio.Task[None]] = {}
        self._connections = asyncio.Semaphore(ASSEMBLIES)

    async def create(self, key: str, headers: Mapping[str, str], *, checksum: Algorithm | None) -> str:
        """Create an upload, and return S3's id of it.

        Args:
            key: Key of the object.
            headers: Headers that describe the object.
            checksum: Checksum algorithm of the parts, if any.

        Raises:
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        parameters = creation_parameters(headers, checksum=checksum)
        async with self._storage.call("create_multipart_upload"):
            answer = await self._storage.client.create_multipart_upload(
                Bucket=self._storage.bucket, Key=key, **parameters
            )
            return answer["UploadId"]

    async def list_parts(
        self, key: str, upload_id: str, *, checksum: Algorithm | None, part_count: int
    ) -> list[UploadedPart]:
        """Return the parts that have arrived, in order.

        Args:
            key: Key of the object.
            upload_id: S3's upload id.
            checksum: Checksum algorithm of the parts, if any.
            part_count: Number of parts of the whole upload; 0 if unknown.

        Raises:
            NoSuchUploadError: S3 does not know the upload.
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        # A page has 1,000 parts and can start after any number, so all pages are requested concurrently.
        starts = range(0, part_count or 1, _PAGE)
        ranges = [(start, min(start + _PAGE, part_count) if part_count else MAX_PARTS) for start in starts]
        answers = await asyncio.gather(
            *(self._range(key, upload_id, checksum, start, end) for start, end in ranges),
            return_exceptions=True,
        )
        found: list[UploadedPart] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            found += answer
        return found

    async def _range(
        self, key: str, upload_id: str, checksum: Algorithm | None, start: int, end: int
    ) -> list[UploadedPart]:
        """Return the parts with numbers above ``start``, up to ``end``, in order."""
        found: list[tuple[datetime, UploadedPart]] = []
        marker = start
        while True:
            page = await self._page(key, upload_id, marker)
            listed = page.get("Parts", [])
            found += [_arrived(part, checksum) for part in listed if part["PartNumber"] <= end]
            if not page.get("IsTruncated") or not listed or listed[-1]["PartNumber"] >= end:
                return _newest(found)
            marker = listed[-1]["PartNumber"]

    async def _page(self, key: str, upload_id: str, marker: int) -> dict[str, Any]:
        try:
            async with self._storage.call("list_parts", expected=_NO_SUCH_UPLOAD):
                answer = await self._storage.client.list_parts(
                    Bucket=self._storage.bucket, Key=key, UploadId=upload_id, PartNumberMarker=marker
                )
        except RefusedError:
            raise NoSuchUploadError from None
        return dict(answer)

    async def complete(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[UploadedPart],
        *,
        part_checksum: Algorithm | None,
        checksum: Checksum | None,
        no_overwrite: bool,
    ) -> None:
        """Assemble the parts in the background, and wait `PATIENCE` seconds for the result.

        Args:
            key: Key of the object.
            upload_id: S3's upload id.
            parts: All parts, in order.
            part_checksum: Checksum algorithm of the parts, if any.
            checksum: Checksum of the whole object, if known. S3 compares it if it can.
            no_overwrite: Whether S3 must refuse if there is an object with this key.

        Raises:
            NoSuchUploadError: S3 does not know the upload.
            ObjectExists: There is an object with this key, and ``no_overwrite`` is set.
            UploadIncomplete: S3 no longer has one of the parts, or one is too small.
            VerificationFailed: The assembled object has a different checksum.
            StillAssembling: S3 is still assembling the parts.
            StorageUnavailable: S3 does not answer, or `MAX_ASSEMBLING` other assemblies are not done.
            UploadsvcError: S3 denies the call.
        """
        if upload_id not in self._assembling:
            if len(self._assembling) >= MAX_ASSEMBLING:
                detail = "Too many uploads are being assembled; complete this one later."
                raise StorageUnavailable(detail, retry_after=_RETRY_AFTER)
            parameters = _completion(part_checksum, checksum, no_overwrite=no_overwrite)
            assembling = self._storage.run(
                self._assemble(key, upload_id, parts, part_checksum=part_checksum, parameters=parameters)
            )
            self._assembling[upload_id] = assembling
            assembling.add_done_callback(lambda done: self._forget(upload_id, done))
        await self.joined(upload_id)

    async def joined(self, upload_id: str) -> bool:
        """Wait for an assembly that another call started.

        Returns:
            Whether there was one, which is done now.

        Raises:
            UploadsvcError: As for `complete`.
        """
        assembling = self._assembling.get(upload_id)
        if assembling is None:
            return False
        done, _ = await asyncio.wait({assembling}, timeout=PATIENCE)
        if not done or assembling.cancelled():
            detail = "S3 is still assembling the parts; ask again."
            raise StillAssembling(detail)
        failure = assembling.exception()
        if failure is not None:
            raise failure
        return True

    def _forget(self, upload_id: str, assembling: asyncio.Task[None]) -> None:
        del self._assembling[upload_id]
        if not assembling.cancelled():
            # asyncio logs an exception that is never retrieved.
            assembling.exception()

    async def _assemble(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[UploadedPart],
        *,
        part_checksum: Algorithm | None,
        parameters: dict[str, Any],
    ) -> None:
        expected = _NO_SUCH_UPLOAD | _REFUSALS.keys()
        try:
            # Without a limit, slow assemblies would take all connections.
            async with (
                self._connections,
                self._storage.call(
                    "complete_multipart_upload", expected=expected, deadline=ASSEMBLY_DEADLINE, slot=False
                ),
            ):
                parameters["MultipartUpload"] = await completion_body(parts, part_checksum=part_checksum)
                await self._storage.client.complete_multipart_upload(
                    Bucket=self._storage.bucket, Key=key, UploadId=upload_id, **parameters
                )
        except RefusedError as error:
            if error.code in _NO_SUCH_UPLOAD:
                raise NoSuchUploadError from None
            kind, detail = _REFUSALS[error.code]
            raise kind(detail) from None

    async def abort(self, key: str, upload_id: str) -> None:
        """Abort an upload. Does nothing if S3 does not know it.

        Raises:
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        try:
            async with self._storage.call("abort_multipart_upload", expected=_NO_SUCH_UPLOAD):
                await self._storage.client.abort_multipart_upload(
                    Bucket=self._storage.bucket, Key=key, UploadId=upload_id
                )
        except RefusedError:
            return

    async def list_uploads(
        self, *, prefix: str, after: tuple[str, str], limit: int
    ) -> tuple[list[UnfinishedUpload], tuple[str, str] | None]:
        """List unfinished uploads, in S3's order.

        Args:
            prefix: Prefix of the keys.
            after: S3's markers of the previous page, key and upload id; empty for the first page.
            limit: Maximum number of uploads, 1 to 1,000.

        Returns:
            The uploads, and the markers for the next page; ``None`` on the last page.

        Raises:
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        markers: dict[str, Any] = {"KeyMarker": after[0], "UploadIdMarker": after[1]} if any(after) else {}
        async with self._storage.call("list_multipart_uploads"):
            answer = await self._storage.client.list_multipart_uploads(
                Bucket=self._storage.bucket, Prefix=prefix, MaxUploads=limit, **markers
            )
        listed = [
            UnfinishedUpload(
                key=entry["Key"],
                upload_id=entry["UploadId"],
                started_at=entry["Initiated"].astimezone(UTC),
            )
            for entry in answer.get("Uploads", [])
        ]
        if not (listed and answer.get("IsTruncated")):
            return listed, None
        # SeaweedFS returns no key marker: it continues from the upload id alone.
        return listed, (answer.get("NextKeyMarker", ""), answer.get("NextUploadIdMarker", ""))


def creation_parameters(headers: Mapping[str, str], *, checksum: Algorithm | None) -> dict[str, Any]:
    """Return the parameters of CreateMultipartUpload, except bucket and key.

    Args:
        headers: Headers that describe the object.
        checksum: Checksum algorithm of the parts, if any.
    """
    parameters: dict[str, Any] = {
        _PARAMETERS[name]: value for name, value in headers.items() if not name.startswith(_METADATA)
    }
    parameters["Metadata"] = {
        name.removeprefix(_METADATA): value for name, value in headers.items() if name.startswith(_METADATA)
    }
    if checksum is not None:
        parameters["ChecksumAlgorithm"] = checksum.upper()
        parameters["ChecksumType"] = _checksum_type(checksum)
    return parameters


def _arrived(part: Mapping[str, Any], checksum: Algorithm | None) -> tuple[datetime, UploadedPart]:
    arrived = UploadedPart(
        part_number=part["PartNumber"],
        size=part["Size"],
        etag=part["ETag"].strip('"'),
        checksum=part.get(f"Checksum{checksum.upper()}") if checksum else None,
    )
    return part.get("LastModified", _LONG_AGO), arrived


def _newest(listed: Sequence[tuple[datetime, UploadedPart]]) -> list[UploadedPart]:
    """Keep the newest version of each part. SeaweedFS lists all versions, in any order.

    Times are in whole seconds. If two versions of the same second differ, it is unknown which one S3 uses, so
    the part counts as missing. The client then sends a new version.
    """
    by_number: dict[int, list[tuple[datetime, UploadedPart]]] = {}
    for entry in listed:
        by_number.setdefault(entry[1].part_number, []).append(entry)
    newest = []
    for _, sent in sorted(by_number.items()):
        last = max(time for time, _ in sent)
        candidates = [part for time, part in sent if time == last]
        if len({part.etag for part in candidates}) == 1:
            newest.append(candidates[0])
    return newest


def _checksum_type(checksum: Algorithm) -> str:
    return "COMPOSITE" if is_composite(checksum) else "FULL_OBJECT"


def _completion(
    part_checksum: Algorithm | None, checksum: Checksum | None, *, no_overwrite: bool
) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if part_checksum is not None and checksum is not None and not is_composite(part_checksum):
        parameters[f"Checksum{part_checksum.upper()}"] = checksum.value
        parameters["ChecksumType"] = _checksum_type(part_checksum)
    if no_overwrite:
        parameters["IfNoneMatch"] = "*"
    return parameters
