"""From domain values to the wire."""

from datetime import UTC, datetime
from typing import Any

from uploadsvc.api.v1.schemas import (
    ArrivedPart,
    ChecksumModel,
    CompletedUpload,
    ListedObjectModel,
    ObjectModel,
    ObjectPage,
    UploadState,
)
from uploadsvc.domain.checksums import Checksum
from uploadsvc.domain.objects import StoredObject
from uploadsvc.services.create_upload import Grant
from uploadsvc.services.multipart import SignedPart
from uploadsvc.services.objects import Page
from uploadsvc.services.uploads import Completion, UploadStatus


def upload_answer(grant: Grant) -> dict[str, Any]:
    """Return an `Upload` as plain data."""
    plan = grant.plan
    answer: dict[str, Any] = {
        "id": grant.id,
        "key": plan.key,
        "bucket": grant.bucket,
        "method": plan.method,
        "expires_at": rfc3339(grant.expires_at),
        "upload_expires_at": rfc3339(grant.upload_expires_at),
    }
    if plan.parts is not None:
        answer["part_size"] = plan.parts.part_size
        answer["part_count"] = plan.parts.count
        answer["parts"] = [part_answer(part) for part in grant.parts]
        return answer
    answer["url"] = grant.url
    if plan.method == "put":
        answer["headers"] = {k: v for k, v in plan.headers.items() if k != "Content-Length"}
    else:
        answer["fields"] = grant.fields
    return answer


def part_answer(part: SignedPart) -> dict[str, Any]:
    """Return a `SignedPartModel` as plain data."""
    return {"part_number": part.part_number, "size": part.size, "url": part.url, "headers": part.headers}


def object_model(stored: StoredObject, checksum: Checksum | None = None) -> ObjectModel:
    """Return an object for the wire, with the checksum that was confirmed or else the first that is kept."""
    checksum = checksum or next(iter(stored.checksums), None)
    return ObjectModel(
        key=stored.key,
        bucket=stored.bucket,
        size=stored.size,
        content_type=stored.content_type,
        etag=stored.etag,
        version_id=stored.version_id,
        checksum=ChecksumModel(algorithm=checksum.algorithm, value=checksum.value) if checksum else None,
        last_modified=stored.last_modified,
        metadata=dict(stored.metadata),
    )


def state_model(upload_id: str, state: UploadStatus) -> UploadState:
    """Return an upload's state for the wire."""
    claims, stored = state.claims, state.stored
    under_way = claims.method == "multipart" and state.status in {"pending", "uploading"}
    arrived = [ArrivedPart(part_number=p.part_number, size=p.size, etag=p.etag) for p in state.parts]
    return UploadState(
        id=upload_id,
        key=claims.key,
        bucket=claims.bucket,
        method=claims.method,
        status=state.status,
        upload_expires_at=datetime.fromtimestamp(claims.expires_at, UTC),
        object=object_model(stored) if stored else None,
        part_size=claims.part_size or None,
        part_count=claims.parts.count if claims.part_size else None,
        parts=arrived if under_way else None,
    )


def completed_model(completion: Completion) -> CompletedUpload:
    """Return a completed upload for the wire."""
    return CompletedUpload(
        object=object_model(completion.stored, completion.checksum),
        receipt=completion.receipt,
        replaceable_until=completion.replaceable_until,
    )


def page_model(page: Page) -> ObjectPage:
    """Return a listing for the wire."""
    return ObjectPage(
        objects=[
            ListedObjectModel(key=o.key, size=o.size, etag=o.etag, last_modified=o.last_modified)
            for o in page.objects
        ],
        cursor=page.cursor,
    )


def rfc3339(moment: datetime) -> str:
    """Write a time in UTC, to the second."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
