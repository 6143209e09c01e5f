"""Track everything that the doctor sends, and remove it."""

import asyncio
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any, Final, TypeVar
from uuid import uuid4

from botocore.exceptions import ClientError

from uploadsvc.doctor.responses import REQUEST_TIMEOUT, UNANSWERED, S3Response, refusal_of
from uploadsvc.doctor.target import Target

T = TypeVar("T")

_ROUNDS: Final = 4
"""Rounds of searches for leftovers, because a cancelled request may still arrive."""

_PAUSE: Final = 0.5
"""Seconds between the first two rounds; each later pause is twice as long."""

_GRACE: Final = 3.0
"""Seconds for requests in progress to finish."""

_MISSING: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED})


class Cleanup:
    """Tracks objects and multipart uploads, and removes them.

    Args:
        target: The target of the run.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.run = uuid4().hex
        """Name of this run; all its keys contain it."""
        self._stored: dict[str, set[str]] = {}
        """Keys under which there may be an object, with the versions that S3 has named."""
        self._uploads: set[tuple[str, str]] = set()
        """Multipart uploads that are not aborted yet: key and S3's id."""
        self._aborted: set[tuple[str, str]] = set()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._unanswered: set[str] = set()
        """Keys for which S3 has not said yet whether it stored an object."""
        self._lost_upload = False
        self._unreachable: list[str] = []
        """Descriptions of objects that cannot be reached at the service's own address."""
        self.stored = 0
        """Number of canaries that were stored for a moment."""

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a call to its end, even if the caller is cancelled: S3 acts on a sent request anyway."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            # asyncio logs exceptions that are never retrieved.
            task.exception()

    def sending(self, key: str) -> None:
        """Note that an object is about to be sent: it may be stored even if no answer arrives."""
        self._unanswered.add(key)

    def answered(self, key: str, *, stored: bool, version: str | None) -> None:
        """Note whether S3 stored an object."""
        self._unanswered.discard(key)
        if stored:
            self.stored += 1
            self._stored.setdefault(key, set()).update({version} if version else ())

    def key(self, name: str) -> str:
        """Return a key of this run."""
        return f"{self._target.folder}/{self.run}-{name}"

    async def is_missing(self, key: str) -> bool:
        """Return whether S3 reports, at the service's own address, that there is no such object."""
        found = await self._head(key)
        return isinstance(found, S3Response) and found.status == HTTPStatus.NOT_FOUND

    def moved(self, key: str, actual: str) -> None:
        """Note that an object was stored under another key."""
        self._stored[actual] = self._stored.pop(key, set())

    def elsewhere(self, key: str, removal: S3Response) -> None:
        """Note that an object was stored where the service does not look, and the answer to its removal."""
        self._stored.pop(key, None)
        if not removal.accepted:
            self._unreachable.append(f"{key} at the public endpoint ({removal})")

    def started(self, key: str, upload_id: str) -> None:
        """Note a multipart upload."""
        self._uploads.add((key, upload_id))

    def lost(self) -> None:
        """Note that S3 may have created a multipart upload whose id never arrived."""
        self._lost_upload = True

    async def abort(self, key: str, upload_id: str) -> S3Response | None:
        """Abort a multipart upload; return S3's refusal, if it refuses."""
        client, bucket = self._target.storage.client, self._target.bucket
        refusal = await refusal_of(client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id))
        if refusal is None or refusal.status in _MISSING:
            self._uploads.discard((key, upload_id))
            self._aborted.add((key, upload_id))
            return None
        return refusal

    async def clear(self) -> list[str]:
        """Remove everything that was sent; return what is left, in words."""
        left: list[str] = []
        await self._settle()
        unsure = bool(self._unanswered) or self._lost_upload
        for key in self._unanswered:
            self._stored.setdefault(key, set())
            if self._target.has_own_public_address:
                # A public endpoint that includes the bucket would have stored it there.
                self._stored.setdefault(f"{self._target.bucket}/{key}", set())
        for number in range(_ROUNDS):
            if number:
                await asyncio.sleep(_PAUSE * 2 ** (number - 1))
            left = [*await self._clear_objects(), *await self._clear_uploads()]
            if not left and not unsure:
                break
        return [*left, *self._unreachable]

    async def _settle(self) -> None:
        """Wait for requests in progress, and cancel those that take too long."""
        under_way = set(self._under_way)
        if not under_way:
            return
        _, late = await asyncio.wait(under_way, timeout=_GRACE)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        # A part that arrived after the abort stays:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
        self._uploads |= self._aborted

    async def _clear_objects(self) -> list[str]:
        stored = dict(self._stored)
        problems = await asyncio.gather(*(self._delete(key, versions) for key, versions in stored.items()))
        return [f"{key} ({problem})" for key, problem in zip(stored, problems, strict=True) if problem]

    async def _delete(self, key: str, versions: set[str]) -> str | None:
        """Delete all versions of an object. Returns the reason if anything is left."""
        for _ in range(_ROUNDS):
            found = await self._head(key)
            if isinstance(found, S3Response) and found.status in _MISSING:
                return None
            if isinstance(found, S3Response):
                # Credentials without the right to read may still delete the versions that S3 has named.
                return await self._delete_unseen(key, versions)
            refusal = await self._delete_version(key, found)
            if refusal is not None and not found:
                # An object without a version has the version "null", and deleting versions is its own right.
                refusal = await self._delete_version(key, "null")
            if refusal is not None:
                return str(refusal)
        return "it comes back"

    async def _delete_unseen(self, key: str, versions: set[str]) -> str | None:
        for version in versions or {""}:
            if (refusal := await self._delete_version(key, version)) is not None:
                return str(refusal)
        self._stored.pop(key, None)
        return None

    async def _head(self, key: str) -> str | S3Response:
        """Return an object's version, which may be empty, or S3's refusal."""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                found: Any = await self._target.storage.client.head_object(
                    Bucket=self._target.bucket, Key=key
                )
        except ClientError as error:
            return S3Response.of_error(error)
        except UNANSWERED as error:
            return S3Response.none(error)
        return str(found.get("VersionId", ""))

    async def _delete_version(self, key: str, version: str) -> S3Response | None:
        named: dict[str, Any] = {"VersionId": version} if version else {}
        client, bucket = self._target.storage.client, self._target.bucket
        return await refusal_of(client.delete_object(Bucket=bucket, Key=key, **named))

    async def _clear_uploads(self) -> list[str]:
        """Abort multipart uploads; those whose id never arrived are listed by their key."""
        started = set(self._uploads)
        if self._lost_upload:
            started |= await self._listed_uploads()
        left = []
        for key, upload_id in sorted(started):
            if (refusal := await self.abort(key, upload_id)) is not None:
                left.append(f"an unfinished upload of {key} ({refusal})")
        return left

    async def _listed_uploads(self) -> set[tuple[str, str]]:
        client, prefix = self._target.storage.client, self.key("").removesuffix("-")
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                answer: Any = await client.list_multipart_uploads(Bucket=self._target.bucket, Prefix=prefix)
        except (ClientError, *UNANSWERED):
            return set()
        listed = {(one["Key"], one["UploadId"]) for one in answer.get("Uploads", [])}
        return {one for one in listed if one[0].startswith(prefix)}
