"""Convert domain values to response bodies of ``/v1``."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TypeVar

from pydantic_core import to_json

from uploadsvc.api.problems import domain_problem
from uploadsvc.api.v1 import object_schemas, schema_base, schemas, service_schemas
from uploadsvc.domain.checksums import Checksum
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.objects import ListedObject, StoredObject
from uploadsvc.domain.parts import UploadedPart
from uploadsvc.domain.planner import Planner
from uploadsvc.s3.multipart import UnfinishedUpload
from uploadsvc.services.create_upload import Grant
from uploadsvc.services.multipart import SignedPart
from uploadsvc.services.objects import Page
from uploadsvc.services.uploads import UploadStatus
from uploadsvc.services.verification import Completion

_AT_ONCE: Final = 100
"""Rows to encode between two yields to the event loop."""

T = TypeVar("T")


def upload_json(grant: Grant) -> dict[str, Any]:
    """Return an `Upload` as plain data, because the hot path needs no validation."""
    plan = grant.plan
    body: dict[str, Any] = {
        "id": grant.id,
        "key": plan.key,
        "bucket": grant.bucket,
        "method": plan.method,
        "expires_at": rfc3339(grant.expires_at),
        "upload_expires_at": rfc3339(grant.upload_expires_at),
    }
    if plan.parts is not None:
        body["part_size"] = plan.parts.part_size
        body["part_count"] = plan.parts.count
        body["parts"] = [part_json(part) for part in grant.parts]
        return body
    body["url"] = grant.url
    if plan.method == "put":
        body["headers"] = {k: v for k, v in plan.headers.items() if k != "Content-Length"}
    else:
        body["fields"] = grant.fields
    return body


def part_json(part: SignedPart) -> dict[str, Any]:
    """Return a `SignedPart` as plain data."""
    return {"part_number": part.part_number, "size": part.size, "url": part.url, "headers": part.headers}


def signed_parts_json(parts: Iterable[SignedPart], expires_at: datetime) -> dict[str, Any]:
    """Return a `SignedParts` as plain data."""
    return {"parts": [part_json(part) for part in parts], "expires_at": rfc3339(expires_at)}


def stored_object(stored: StoredObject, checksum: Checksum | None = None) -> object_schemas.StoredObject:
    """Return an object with its verified checksum, or the first that S3 keeps."""
    checksum = checksum or next(iter(stored.checksums), None)
    return object_schemas.StoredObject(
        key=stored.key,
        bucket=stored.bucket,
        size=stored.size,
        content_type=stored.content_type,
        etag=stored.etag,
        version_id=stored.version_id,
        checksum=schema_base.Checksum(algorithm=checksum.algorithm, value=checksum.value)
        if checksum
        else None,
        last_modified=stored.last_modified,
        metadata=dict(stored.metadata),
    )


def state_json(upload_id: str, state: UploadStatus) -> Iterator[bytes]:
    """Yield the JSON of an `UploadState` with the caller's id, some parts at a time."""
    claims, stored = state.claims, state.stored
    in_progress = claims.method == "multipart" and state.status in {"pending", "uploading"}
    body = schemas.UploadState(
        id=upload_id,
        key=claims.key,
        bucket=claims.bucket,
        method=claims.method,
        status=state.status,
        upload_expires_at=datetime.fromtimestamp(claims.expires_at, UTC),
        object=stored_object(stored) if stored else None,
        part_size=claims.part_size or None,
        part_count=claims.parts.count if claims.part_size else None,
        parts=[] if in_progress else None,
    ).model_dump_json()
    if not state.parts or not in_progress:
        yield body.encode()
        return
    # The parts are the last field. They come from S3 and are not validated: there may be 10,000.
    yield body.removesuffix("]}").encode()
    yield from _rows(state.parts, _arrived_part)
    yield b"]}"


def _arrived_part(part: UploadedPart) -> dict[str, Any]:
    return {"part_number": part.part_number, "size": part.size, "etag": part.etag}


def _rows(values: Sequence[T], row: Callable[[T], dict[str, Any]]) -> Iterator[bytes]:
    """Yield the inner JSON of an array, some rows at a time."""
    for start in range(0, len(values), _AT_ONCE):
        some = to_json([row(value) for value in values[start : start + _AT_ONCE]])
        yield (b"," if start else b"") + some[1:-1]


def upload_page(unfinished: Iterable[tuple[str, UnfinishedUpload]], cursor: str | None) -> schemas.UploadPage:
    """Return one page of unfinished uploads, each with its id."""
    return schemas.UploadPage(
        uploads=[
            schemas.UnfinishedUpload(id=upload_id, key=upload.key, started_at=upload.started_at)
            for upload_id, upload in unfinished
        ],
        cursor=cursor,
    )


def completed_upload(completion: Completion) -> schemas.CompletedUpload:
    """Return a completed upload with its receipt."""
    return schemas.CompletedUpload(
        object=stored_object(completion.stored, completion.checksum),
        receipt=completion.receipt,
        replaceable_until=completion.replaceable_until,
    )


def object_page_json(page: Page) -> Iterator[bytes]:
    """Yield the JSON of an `ObjectPage`, some objects at a time. They come from S3 and are not validated."""
    yield b'{"objects":['
    yield from _rows(page.objects, _listed_object)
    yield b'],"cursor":%b}' % to_json(page.cursor)


def _listed_object(listed: ListedObject) -> dict[str, Any]:
    return {
        "key": listed.key,
        "size": listed.size,
        "etag": listed.etag,
        "last_modified": listed.last_modified,
    }


def all_objects_json(objects: Sequence[tuple[str, ListedObject]], cursor: str | None) -> Iterator[bytes]:
    """Yield the JSON of an `AllObjectsPage`, some objects at a time."""
    yield b'{"objects":['
    yield from _rows(objects, lambda one: {**_listed_object(one[1]), "user": one[0]})
    yield b'],"cursor":%b}' % to_json(cursor)


def deletions_json(
    keys: Sequence[str], errors: Sequence[UploadsvcError | None], root: str
) -> Iterator[bytes]:
    """Yield the JSON of a `DeletionResults`, some results at a time.

    Args:
        keys: The keys of the request.
        errors: Why each of them is not deleted.
        root: Path of the service.
    """

    def row(result: tuple[str, UploadsvcError | None]) -> dict[str, Any]:
        key, error = result
        return (
            {"key": key}
            if error is None
            else {"key": key, "problem": domain_problem(error).at(root).content()}
        )

    separator = b'{"results": ['
    pairs = [*zip(keys, errors, strict=True)]
    for start in range(0, len(pairs), _AT_ONCE):
        # ASCII: a key comes from the request and may hold lone surrogates.
        some = json.dumps([row(pair) for pair in pairs[start : start + _AT_ONCE]]).encode()
        yield separator + some[1:-1]
        separator = b", "
    yield b"]}"


def usable_policy(planner: Planner) -> service_schemas.Policy:
    """Return a policy, limited to what this store supports."""
    policy = planner.policy
    return service_schemas.Policy(
        name=policy.name,
        min_size=policy.min_size,
        max_size=planner.max_size,
        content_types=sorted(policy.content_types),
        content_encodings=sorted(policy.content_encodings),
        methods=sorted(planner.methods),
        expires_in=policy.expires_in,
        max_expires_in=policy.max_expires_in,
        client_keys=policy.client_keys,
        client_keys_prefix=policy.client_keys_prefix,
        keeps_folders=policy.key.keeps_folders,
        overwrite=policy.overwrite,
        metadata=sorted(planner.metadata_names),
        checksum=policy.checksum,
        checksum_algorithms=sorted(planner.checksum_algorithms),
    )


# Uploads of the same second share their expiry times, and formatting a time takes as long as signing an id.
@lru_cache(maxsize=64)
def rfc3339(time: datetime) -> str:
    """Return a time in UTC, to the second."""
    return f"{time.isoformat()[:19]}Z"
