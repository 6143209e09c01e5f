"""Companion's S3 routes, as Uppy 5 and 6 call them: a form, or a multipart upload.

Unlike in Companion, ``uploadId`` is the signed id of the upload. It identifies the owner, and is needed to
verify the object at the end.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.integrations.uppy.common import form_url, size_in, text_metadata, uppy_router
from uploadsvc.domain.errors import UploadAborted
from uploadsvc.domain.parts import MAX_PARTS, MIN_PART_SIZE
from uploadsvc.domain.plan import ClientTraits, UploadRequest
from uploadsvc.domain.principal import Principal
from uploadsvc.services.create_upload import UploadCreator
from uploadsvc.services.uploads import Uploads, UploadStatus

_METADATA_PARAMETER: Final = re.compile(r"metadata\[([^\[\]]+)\]")
_PART_NUMBERS: Final = re.compile(r"[0-9]{1,5}(,[0-9]{1,5}){0,999}")
COMPLETE_WAIT: Final = 50.0
"""Seconds that a completion waits for S3. Uppy does not retry it, and proxies time out after 60 s."""

_FORM_STATUS: Final = HTTPStatus.CREATED.value
"""Status with which S3 returns the object's location, for Uppy."""

UploadId = Annotated[str, Path()]
Key = Annotated[str, Query()]


class _CreateMultipart(BaseModel):
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
        uploads: Signs parts, completes and aborts.
        authenticate: Returns the caller.
        prefix: Path of the Companion endpoint.
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
        metadata = {
            match[1]: value
            for name, value in request.query_params.items()
            if (match := _METADATA_PARAMETER.fullmatch(name))
        }
        upload = _upload_request(filename, type, metadata, method="post")
        grant = await creator.create(caller, _policy(creator, caller, metadata), upload)
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
        part_numbers: Annotated[str, Query(alias="partNumbers", pattern=f"^{_PART_NUMBERS.pattern}$")],
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
        return _arrived_parts(await uploads.status(caller, upload_id))


def _add_multipart(
    router: APIRouter, creator: UploadCreator, uploads: Uploads, authenticate: Authenticate
) -> None:
    @router.post("/multipart")
    async def create_multipart(
        caller: Annotated[Principal, Depends(authenticate)], body: _CreateMultipart
    ) -> dict[str, Any]:
        metadata = text_metadata(body.metadata or {})
        upload = _upload_request(body.filename, body.type, metadata, method="multipart")
        grant = await creator.create(caller, _policy(creator, caller, metadata), upload)
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
    return creator.resolve(caller, metadata.get("policy")).policy.name


def _upload_request(
    filename: str | None,
    content_type: str | None,
    metadata: Mapping[str, str],
    *,
    method: Literal["post", "multipart"],
) -> UploadRequest:
    """Return the upload request, with the sizes that the page may have set as metadata."""
    size, part_size = size_in(metadata, "size"), None
    path = metadata.get("relativePath", "")
    if filename and path.endswith(f"/{filename}"):
        # The path of a file in a folder; "null" or absent for other files.
        filename = path
    if method == "multipart" and size is not None:
        # Uppy's own part size, unless the page sets another.
        part_size = size_in(metadata, "partSize") or max(MIN_PART_SIZE, -(-size // MAX_PARTS))
    return UploadRequest(
        filename=filename,
        content_type=content_type,
        size=size,
        method=method,
        metadata=metadata,
        client=ClientTraits(
            part_size=part_size,
            size_open=True,
            drop_metadata=True,
            form_status=_FORM_STATUS if method == "post" else None,
        ),
    )


def _arrived_parts(state: UploadStatus) -> list[dict[str, Any]]:
    """Return the parts that have arrived.

    A stored upload lists all of its parts, so that a client that missed the response to the completion
    repeats it. The ETag of a multipart object ends with the number of parts: ``…-3``.

    Raises:
        UploadAborted: It was aborted.
    """
    if state.status == "aborted":
        detail = "This multipart upload was aborted, or S3 has removed its parts."
        raise UploadAborted(detail)
    if state.stored is None:
        return [
            {"PartNumber": part.part_number, "ETag": part.etag, "Size": part.size} for part in state.parts
        ]
    etag, claims = state.stored.etag, state.claims
    tail = etag.rpartition("-")[2]
    count = claims.parts.count if claims.part_size else int(tail) if tail.isdigit() else 1
    return [{"PartNumber": number, "ETag": etag, "Size": 0} for number in range(1, count + 1)]
