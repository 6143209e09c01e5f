"""What Uppy asks of Companion to upload to S3: a form, or a multipart upload part by part.

Unlike Companion's, an ``uploadId`` is the upload's sealed id, so that each call knows whose upload it is, and
the last one verifies what landed. Written after Uppy's client, versions 5 and 6.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.integrations.uppy.common import bytes_of, form_url, texts, uppy_router
from uploadsvc.domain.errors import UploadAborted
from uploadsvc.domain.parts import MAX_PARTS, MIN_PART_SIZE
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.principal import Principal
from uploadsvc.services.create_upload import UploadCreator
from uploadsvc.services.uploads import Uploads, UploadStatus

_METADATA: Final = re.compile(r"metadata\[([^\[\]]+)\]")
_NUMBERS: Final = re.compile(r"[0-9]{1,5}(,[0-9]{1,5}){0,999}")
COMPLETE_WAIT: Final = 50.0
"""Seconds that a completion waits for S3: Uppy does not ask again, and proxies give up after 60 s."""

_FORM_STATUS: Final = 201
"""With it S3 tells a form's location, which Uppy reads."""

UploadId = Annotated[str, Path()]
Key = Annotated[str, Query()]


class _Begin(BaseModel):
    filename: str | None = None
    type: str | None = None
    metadata: dict[str, Any] | None = None


class _SentPart(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    number: Annotated[StrictInt, Field(ge=1, le=MAX_PARTS)] = Field(alias="PartNumber")
    etag: str = Field(alias="ETag")


class _Complete(BaseModel):
    parts: Annotated[list[_SentPart], Field(min_length=1, max_length=MAX_PARTS)]


def companion_router(
    creator: UploadCreator, uploads: Uploads, authenticate: Authenticate, *, prefix: str
) -> APIRouter:
    """Return Companion's routes.

    Args:
        creator: Creates uploads.
        uploads: Goes on with them.
        authenticate: Who calls.
        prefix: What Uppy is given as its endpoint.
    """
    router = uppy_router(prefix=f"{prefix}/s3", documented=False)
    _add_form(router, creator, authenticate)
    _add_parts(router, uploads, authenticate)
    _add_multipart(router, creator, uploads, authenticate)
    return router


def _add_form(router: APIRouter, creator: UploadCreator, authenticate: Authenticate) -> None:
    @router.get("/params")
    async def params(
        caller: Annotated[Principal, Depends(authenticate)],
        request: Request,
        filename: str | None = None,
        type: str | None = None,  # noqa: A002 - Uppy's name
    ) -> dict[str, Any]:
        named = ((_METADATA.fullmatch(name), value) for name, value in request.query_params.items())
        metadata = {match[1]: value for match, value in named if match}
        asked = _asked(filename, type, metadata, method="post")
        grant = await creator.create(caller, _policy(creator, caller, metadata), asked)
        return {
            "method": "POST",
            "url": form_url(grant.url),
            "fields": grant.fields,
            "expires": grant.plan.expires_in,
        }


def _add_parts(router: APIRouter, uploads: Uploads, authenticate: Authenticate) -> None:
    @router.get("/multipart/{upload_id}/batch")
    async def sign_parts(
        caller: Annotated[Principal, Depends(authenticate)],
        upload_id: UploadId,
        key: Key,
        part_numbers: Annotated[str, Query(alias="partNumbers", pattern=f"^{_NUMBERS.pattern}$")],
    ) -> dict[str, Any]:
        uploads.check_key(caller, upload_id, key)
        numbers = [int(number) for number in part_numbers.split(",")]
        parts, _ = await uploads.sign_parts(caller, upload_id, numbers, None, size_open=True)
        return {"presignedUrls": {str(part.part_number): part.url for part in parts}}

    @router.get("/multipart/{upload_id}/{number}")
    async def sign_part(
        caller: Annotated[Principal, Depends(authenticate)], upload_id: UploadId, key: Key, number: int
    ) -> dict[str, Any]:
        uploads.check_key(caller, upload_id, key)
        (part,), expires_at = await uploads.sign_parts(caller, upload_id, [number], None, size_open=True)
        return {"url": part.url, "expires": uploads.seconds_until(expires_at)}

    @router.get("/multipart/{upload_id}")
    async def list_parts(
        caller: Annotated[Principal, Depends(authenticate)], upload_id: UploadId, key: Key
    ) -> list[dict[str, Any]]:
        uploads.check_key(caller, upload_id, key)
        return _arrived(await uploads.status(caller, upload_id))


def _add_multipart(
    router: APIRouter, creator: UploadCreator, uploads: Uploads, authenticate: Authenticate
) -> None:
    @router.post("/multipart")
    async def begin(caller: Annotated[Principal, Depends(authenticate)], body: _Begin) -> dict[str, Any]:
        metadata = texts(body.metadata or {})
        asked = _asked(body.filename, body.type, metadata, method="multipart")
        grant = await creator.create(caller, _policy(creator, caller, metadata), asked)
        return {"key": grant.plan.key, "uploadId": grant.id, "bucket": grant.bucket}

    @router.post("/multipart/{upload_id}/complete")
    async def complete(
        caller: Annotated[Principal, Depends(authenticate)], upload_id: UploadId, key: Key, body: _Complete
    ) -> dict[str, Any]:
        uploads.check_key(caller, upload_id, key)
        etags = {part.number: part.etag for part in body.parts}
        stored = (await uploads.complete(caller, upload_id, etags, wait=COMPLETE_WAIT)).stored
        return {"location": uploads.location(stored.key), "key": stored.key, "bucket": stored.bucket}

    @router.delete("/multipart/{upload_id}")
    async def abort(
        caller: Annotated[Principal, Depends(authenticate)], upload_id: UploadId, key: Key
    ) -> dict[str, Any]:
        uploads.check_key(caller, upload_id, key)
        await uploads.abort(caller, upload_id)
        return {}


def _policy(creator: UploadCreator, caller: Principal, metadata: Mapping[str, str]) -> str:
    return creator.policies.resolve(caller, metadata.get("policy")).policy.name


def _asked(
    filename: str | None,
    content_type: str | None,
    metadata: Mapping[str, str],
    *,
    method: Literal["post", "multipart"],
) -> UploadRequest:
    """Return what is asked for; size and part size come as metadata, where the page has set them."""
    size, part_size = bytes_of(metadata, "size"), None
    if method == "multipart" and size is not None:
        # How Uppy cuts, unless the page has it cut otherwise.
        part_size = bytes_of(metadata, "partSize") or max(MIN_PART_SIZE, -(-size // MAX_PARTS))
    return UploadRequest(
        filename=filename,
        content_type=content_type,
        size=size,
        method=method,
        metadata=metadata,
        drop_metadata=True,
        part_size=part_size,
        size_open=True,
        form_status=_FORM_STATUS if method == "post" else None,
    )


def _arrived(state: UploadStatus) -> list[dict[str, Any]]:
    """Return the parts that have arrived.

    Of an upload whose completion was not heard of: all, so that the client completes it once more, which does
    no harm. S3 names a multipart object by its parts' number: ``…-3``.

    Raises:
        UploadAborted: It was given up.
    """
    if state.status == "aborted":
        detail = "This multipart upload was given up, or its parts have been cleaned away."
        raise UploadAborted(detail)
    if state.stored is None:
        return [{"PartNumber": one.part_number, "ETag": one.etag, "Size": one.size} for one in state.parts]
    etag, claims = state.stored.etag, state.claims
    tail = etag.rpartition("-")[2]
    count = claims.parts.count if claims.part_size else int(tail) if tail.isdigit() else 1
    return [{"PartNumber": number, "ETag": etag, "Size": 0} for number in range(1, count + 1)]
