"""Check, without side effects, whether canaries can be stored and deleted."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from botocore.exceptions import ClientError

from uploadsvc.doctor.responses import REQUEST_TIMEOUT, UNANSWERED, S3Response, refusal_of
from uploadsvc.doctor.target import Target

_MISSING: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED})
_UNSUPPORTED: Final = frozenset({HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
_NOT_LOCKED: Final = frozenset({"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """Rights of the credentials on canaries.

    Attributes:
        store: Canaries may be stored: they can be deleted, and leave neither version nor delete marker.
        why_not: Why they may not be stored, in words.
        abort_refused: S3's refusal to abort multipart uploads, if it refuses.
    """

    store: bool
    why_not: str = ""
    abort_refused: S3Response | None = None


async def canary_permissions(target: Target) -> Permissions:
    """Find out, with requests for an object that does not exist."""
    key = f"{target.folder}/{uuid4().hex}"
    client, bucket = target.storage.client, target.bucket
    abort = await refusal_of(client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=uuid4().hex))
    refused = abort if abort is not None and abort.status == HTTPStatus.FORBIDDEN else None
    why_not = await _why_not_store(target, key)
    return Permissions(store=not why_not, why_not=why_not, abort_refused=refused)


async def _why_not_store(target: Target, key: str) -> str:
    client, bucket = target.storage.client, target.bucket
    versioned = await _versioned(target)
    if versioned is not False:
        # A delete without a version only hides the object behind a marker, which stays.
        refusal = await refusal_of(client.delete_object(Bucket=bucket, Key=key, VersionId="null"))
        if refusal is not None and refusal.status not in _MISSING:
            state = "is versioned" if versioned else "may be versioned"
            told = "may not delete" if refusal.status == HTTPStatus.FORBIDDEN else "perhaps may not delete"
            return f"the bucket {state}, and these credentials {told} versions ({refusal})"
        return await _locked(target)
    # S3 reports a failed condition only to credentials that may delete:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
    refusal = await refusal_of(client.delete_object(Bucket=bucket, Key=key, IfMatch="*"))
    if refusal is not None and refusal.status in _UNSUPPORTED | {HTTPStatus.BAD_REQUEST}:
        refusal = await refusal_of(client.delete_object(Bucket=bucket, Key=key))
    if refusal is None or refusal.status in _MISSING:
        return ""
    return f"these credentials may not delete ({refusal})"


async def _versioned(target: Target) -> bool | None:
    """Return whether the bucket keeps versions; ``None`` if that is unknown."""
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT):
            answer: Any = await target.storage.client.get_bucket_versioning(Bucket=target.bucket)
    except ClientError as error:
        # A store without versioning does not support the request.
        return False if S3Response.of_error(error).status in _UNSUPPORTED else None
    except UNANSWERED:
        return None
    # A bucket with suspended versioning gets delete markers too.
    return "Status" in answer


async def _locked(target: Target) -> str:
    """Return why a new version could not be deleted at once; empty if it can."""
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT):
            answer: Any = await target.storage.client.get_object_lock_configuration(Bucket=target.bucket)
    except ClientError as error:
        response = S3Response.of_error(error)
        if response.code in _NOT_LOCKED or response.status in _UNSUPPORTED | {HTTPStatus.NOT_FOUND}:
            return ""
        return f"these credentials may not read whether the bucket locks objects ({response})"
    except UNANSWERED:
        return "whether the bucket locks objects is not known"
    rule = answer.get("ObjectLockConfiguration", {}).get("Rule", {})
    return "the bucket locks every new object for a time" if rule else ""
