"""Keeps account of what the doctor sends, and takes it away again."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar
from uuid import uuid4

from botocore.exceptions import ClientError

from uploadsvc.doctor.responses import PATIENCE, UNANSWERED, Answer, of_error, refusal_of
from uploadsvc.doctor.target import Target

T = TypeVar("T")

_LOOKS: Final = 4
"""How often is looked for what is left: what was on its way when it was given up may land later."""

_PAUSE: Final = 0.5
"""Seconds between the first two looks; then twice as many each time."""

_GRACE: Final = 3.0
"""Seconds that what is under way has to end by itself, once nobody waits for it any more."""

_MISSING: Final = frozenset({404, 412})


class Custody:
    """Keeps account of what is sent, and takes it away.

    Args:
        target: What is examined.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.run = uuid4().hex
        self._kept: dict[str, set[str]] = {}
        """The keys under which something may lie, and the versions that S3 has named."""
        self._uploads: set[tuple[str, str]] = set()
        """Multipart uploads that were begun and not aborted yet, by key and S3's name."""
        self._aborted: set[tuple[str, str]] = set()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._unanswered: set[str] = set()
        """The keys of which S3 has not said yet whether something is stored there."""
        self._lost = False
        self.stored = 0
        """How many canaries were stored for a moment."""

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something to its end, also where whoever waits for it is stopped: S3 does it all the same."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            # Looked at, even if nobody waits for it any more: asyncio would complain on its own.
            task.exception()

    def sending(self, key: str) -> None:
        """Note that something is about to be sent: without an answer it may land all the same."""
        self._unanswered.add(key)

    def answered(self, key: str, *, stored: bool, version: str | None) -> None:
        """Note what S3 said of it."""
        self._unanswered.discard(key)
        if stored:
            self.stored += 1
            self._kept.setdefault(key, set()).update({version} if version else ())

    def begun(self, key: str, upload_id: str) -> None:
        """Note a multipart upload."""
        self._uploads.add((key, upload_id))

    def lost(self) -> None:
        """Note that S3 may have begun a multipart upload without our hearing of it."""
        self._lost = True

    async def abort(self, key: str, upload_id: str) -> Answer | None:
        """Abort a multipart upload; return S3's refusal, if it refuses."""
        client, bucket = self._target.storage.client, self._target.bucket
        answer = await refusal_of(client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id))
        if answer is None or answer.status in _MISSING:
            self._uploads.discard((key, upload_id))
            self._aborted.add((key, upload_id))
            return None
        return answer

    async def clear(self) -> list[str]:
        """Take away all that was sent; return what is left, in words."""
        left: list[str] = []
        await self._settle()
        unsure = bool(self._unanswered) or self._lost
        for key in self._unanswered:
            self._kept.setdefault(key, set())
        for look in range(_LOOKS):
            if look:
                await asyncio.sleep(_PAUSE * 2 ** (look - 1))
            left = [*await self._clear_objects(), *await self._clear_uploads()]
            if not left and not unsure:
                break
        return left

    async def _settle(self) -> None:
        """Wait for what is under way, and give up what takes too long."""
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
        kept = dict(self._kept)
        problems = await asyncio.gather(*(self._delete(key, versions) for key, versions in kept.items()))
        return [f"{key} ({problem})" for key, problem in zip(kept, problems, strict=True) if problem]

    async def _delete(self, key: str, versions: set[str]) -> str | None:
        """Delete an object in all its versions; return why something of it is left, if it is."""
        for _ in range(_LOOKS):
            found = await self._head(key)
            if isinstance(found, Answer) and found.status in _MISSING:
                return None
            if isinstance(found, Answer):
                # Who may not look may delete all the same, what S3 has named.
                return await self._delete_unseen(key, versions)
            refusal = await self._delete_version(key, found)
            if refusal is not None and not found:
                # A right of its own: whoever may delete versions may delete this one, which has no name.
                refusal = await self._delete_version(key, "null")
            if refusal is not None:
                return str(refusal)
        return "it comes back"

    async def _delete_unseen(self, key: str, versions: set[str]) -> str | None:
        for version in versions or {""}:
            if (refusal := await self._delete_version(key, version)) is not None:
                return str(refusal)
        self._kept.pop(key, None)
        return None

    async def _head(self, key: str) -> str | Answer:
        """Return an object's version, which may be empty, or S3's refusal."""
        try:
            async with asyncio.timeout(PATIENCE):
                found: Any = await self._target.storage.client.head_object(
                    Bucket=self._target.bucket, Key=key
                )
        except ClientError as error:
            return of_error(error)
        except UNANSWERED as error:
            return Answer(status=0, code=type(error).__name__)
        return str(found.get("VersionId", ""))

    async def _delete_version(self, key: str, version: str) -> Answer | None:
        named: dict[str, Any] = {"VersionId": version} if version else {}
        client, bucket = self._target.storage.client, self._target.bucket
        return await refusal_of(client.delete_object(Bucket=bucket, Key=key, **named))

    async def _clear_uploads(self) -> list[str]:
        """Abort what was begun; what was begun without an answer is found by its key."""
        begun = set(self._uploads)
        if self._lost:
            begun |= await self._listed_uploads()
        left = []
        for key, upload_id in sorted(begun):
            if (refusal := await self.abort(key, upload_id)) is not None:
                left.append(f"an unfinished upload of {key} ({refusal})")
        return left

    async def _listed_uploads(self) -> set[tuple[str, str]]:
        client, prefix = self._target.storage.client, f"{self._target.folder}/{self.run}"
        try:
            async with asyncio.timeout(PATIENCE):
                answer: Any = await client.list_multipart_uploads(Bucket=self._target.bucket, Prefix=prefix)
        except (ClientError, *UNANSWERED):
            return set()
        listed = {(one["Key"], one["UploadId"]) for one in answer.get("Uploads", [])}
        return {one for one in listed if one[0].startswith(prefix)}
