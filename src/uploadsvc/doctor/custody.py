"""What may be stored for a moment, and that nothing of it stays.

Whether these credentials may delete is found out before anything is sent. Where they may not, canaries are
such that S3 refuses them once it has checked all but their bytes.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from botocore.exceptions import ClientError

from uploadsvc.doctor.answers import UNANSWERED, Answer, of_error
from uploadsvc.doctor.target import Target

_PATIENCE: Final = 5.0
"""Seconds for one question."""

_LOOKS: Final = 4
"""How often is looked for what is left: what was on its way when it was given up may land later."""

_PAUSE: Final = 0.5
_FORBIDDEN: Final = 403
_MISSING: Final = frozenset({404, 412})
_UNKNOWN_CALL: Final = frozenset({400, 405, 501})
_NOT_LOCKED: Final = frozenset({"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """What these credentials may take away again.

    Attributes:
        store: Whether a canary may be stored: it can be deleted, and leaves neither version nor marker.
        why: Why not, in words.
        abort: S3's refusal to abort multipart uploads, if it refuses.
    """

    store: bool
    why: str = ""
    abort: Answer | None = None


async def licence(target: Target) -> Licence:
    """Find out, by questions about an object that is not there; none of them leaves anything."""
    key = f"{target.folder}/{uuid4().hex}"
    client, bucket = target.storage.client, target.bucket
    abort = await _refusal(client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=uuid4().hex))
    refused = abort if abort is not None and abort.status == _FORBIDDEN else None
    why = await _why_not_store(target, key)
    return Licence(store=not why, why=why, abort=refused)


async def _why_not_store(target: Target, key: str) -> str:
    client, bucket = target.storage.client, target.bucket
    versioned = await _versioned(target)
    if versioned is not False:
        # Without a version's name a delete would only hide it, behind a marker that stays.
        answer = await _refusal(client.delete_object(Bucket=bucket, Key=key, VersionId="null"))
        if answer is not None and answer.status not in _MISSING:
            state = "is versioned" if versioned else "may be versioned"
            told = "may not delete" if answer.status == _FORBIDDEN else "perhaps may not delete"
            return f"the bucket {state}, and these credentials {told} versions ({answer})"
        return await _locked(target)
    # Where there is nothing to match, S3 says so only to who may delete:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
    answer = await _refusal(client.delete_object(Bucket=bucket, Key=key, IfMatch="*"))
    if answer is not None and answer.status in _UNKNOWN_CALL:
        answer = await _refusal(client.delete_object(Bucket=bucket, Key=key))
    if answer is None or answer.status in _MISSING:
        return ""
    return f"these credentials may not delete ({answer})"


async def _versioned(target: Target) -> bool | None:
    """Return whether versions are kept; ``None`` where we may not know."""
    try:
        async with asyncio.timeout(_PATIENCE):
            answer: Any = await target.storage.client.get_bucket_versioning(Bucket=target.bucket)
    except ClientError as error:
        # A store without versions does not know the question.
        return None if of_error(error).status not in _UNKNOWN_CALL else False
    except UNANSWERED:
        return None
    # A bucket whose versioning is suspended gets delete markers all the same.
    return "Status" in answer


async def _locked(target: Target) -> str:
    """Return why a new version could not be deleted at once, if it could not."""
    try:
        async with asyncio.timeout(_PATIENCE):
            answer: Any = await target.storage.client.get_object_lock_configuration(Bucket=target.bucket)
    except ClientError as error:
        said = of_error(error)
        known = said.code in _NOT_LOCKED or said.status in _UNKNOWN_CALL | {404}
        return "" if known else f"whether the bucket locks objects may not be asked ({said})"
    except UNANSWERED:
        return "whether the bucket locks objects could not be asked"
    rule = answer.get("ObjectLockConfiguration", {}).get("Rule", {})
    return "the bucket locks every new object for a time" if rule else ""


async def _refusal(call: Any) -> Answer | None:  # noqa: ANN401 - any of botocore's calls
    """Return S3's refusal, or ``None`` where it did what was asked."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await call
    except ClientError as error:
        return of_error(error)
    except UNANSWERED as error:
        return Answer(status=0, code=type(error).__name__)
    return None


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
        self._unanswered: set[str] = set()
        """The keys of which S3 has not said yet whether something is stored there."""
        self._lost = False
        self.stored = 0
        """How many canaries were stored for a moment."""

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
        answer = await _refusal(client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id))
        if answer is None or answer.status in _MISSING:
            self._uploads.discard((key, upload_id))
            return None
        return answer

    async def clear(self) -> list[str]:
        """Take away all that was sent; return what is left, in words."""
        left: list[str] = []
        unsure = bool(self._unanswered) or self._lost
        for key in self._unanswered:
            self._kept.setdefault(key, set())
        for look in range(_LOOKS):
            if look:
                await asyncio.sleep(_PAUSE)
            left = [*await self._clear_objects(), *await self._clear_uploads()]
            if not left and (look or not unsure):
                break
        return left

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
            if (refusal := await self._delete_version(key, found)) is not None:
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
            async with asyncio.timeout(_PATIENCE):
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
        return await _refusal(client.delete_object(Bucket=bucket, Key=key, **named))

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
            async with asyncio.timeout(_PATIENCE):
                answer: Any = await client.list_multipart_uploads(Bucket=self._target.bucket, Prefix=prefix)
        except (ClientError, *UNANSWERED):
            return set()
        listed = {(one["Key"], one["UploadId"]) for one in answer.get("Uploads", [])}
        return {one for one in listed if one[0].startswith(prefix)}
