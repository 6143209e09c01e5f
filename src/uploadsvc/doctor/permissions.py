"""Whether a canary may be stored: found out by questions about an object that is not there."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from botocore.exceptions import ClientError

from uploadsvc.doctor.responses import PATIENCE, UNANSWERED, Answer, of_error, refusal_of
from uploadsvc.doctor.target import Target

_FORBIDDEN: Final = 403
_MISSING: Final = frozenset({404, 412})
_NO_SUCH_CALL: Final = frozenset({405, 501})
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
    abort = await refusal_of(client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=uuid4().hex))
    refused = abort if abort is not None and abort.status == _FORBIDDEN else None
    why = await _why_not_store(target, key)
    return Licence(store=not why, why=why, abort=refused)


async def _why_not_store(target: Target, key: str) -> str:
    client, bucket = target.storage.client, target.bucket
    versioned = await _versioned(target)
    if versioned is not False:
        # Without a version's name a delete would only hide it, behind a marker that stays.
        answer = await refusal_of(client.delete_object(Bucket=bucket, Key=key, VersionId="null"))
        if answer is not None and answer.status not in _MISSING:
            state = "is versioned" if versioned else "may be versioned"
            told = "may not delete" if answer.status == _FORBIDDEN else "perhaps may not delete"
            return f"the bucket {state}, and these credentials {told} versions ({answer})"
        return await _locked(target)
    # Where there is nothing to match, S3 says so only to who may delete:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
    answer = await refusal_of(client.delete_object(Bucket=bucket, Key=key, IfMatch="*"))
    if answer is not None and answer.status in _NO_SUCH_CALL | {400}:
        answer = await refusal_of(client.delete_object(Bucket=bucket, Key=key))
    if answer is None or answer.status in _MISSING:
        return ""
    return f"these credentials may not delete ({answer})"


async def _versioned(target: Target) -> bool | None:
    """Return whether versions are kept; ``None`` where we may not know."""
    try:
        async with asyncio.timeout(PATIENCE):
            answer: Any = await target.storage.client.get_bucket_versioning(Bucket=target.bucket)
    except ClientError as error:
        # A store without versions does not know the question.
        return False if of_error(error).status in _NO_SUCH_CALL else None
    except UNANSWERED:
        return None
    # A bucket whose versioning is suspended gets delete markers all the same.
    return "Status" in answer


async def _locked(target: Target) -> str:
    """Return why a new version could not be deleted at once, if it could not."""
    try:
        async with asyncio.timeout(PATIENCE):
            answer: Any = await target.storage.client.get_object_lock_configuration(Bucket=target.bucket)
    except ClientError as error:
        said = of_error(error)
        known = said.code in _NOT_LOCKED or said.status in _NO_SUCH_CALL | {404}
        return "" if known else f"whether the bucket locks objects may not be asked ({said})"
    except UNANSWERED:
        return "whether the bucket locks objects could not be asked"
    rule = answer.get("ObjectLockConfiguration", {}).get("Rule", {})
    return "the bucket locks every new object for a time" if rule else ""
