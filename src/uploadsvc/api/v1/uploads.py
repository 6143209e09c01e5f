"""Uploads: create, look, complete, give up."""

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Response
from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.problems import CALLER, STORAGE, document, error_content
from uploadsvc.api.routing import problem_router
from uploadsvc.api.v1.schemas import (
    BatchResults,
    CompletedUpload,
    CompleteUpload,
    CreateUpload,
    CreateUploads,
    Upload,
    UploadState,
)
from uploadsvc.api.v1.serializers import completed_model, state_model, upload_answer
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.principal import Principal
from uploadsvc.services.create_upload import UploadCreator
from uploadsvc.services.uploads import Uploads

_CREATE_EXAMPLE = {"filename": "photo.jpg", "content_type": "image/jpeg", "size": 123456}
_BATCH_EXAMPLE = {"uploads": [_CREATE_EXAMPLE, {"filename": "notes.txt", "size": 7, "policy": "default"}]}

UploadId = Annotated[str, Path(description="The upload's `id`.", examples=["aGFuZGxl"])]


class _MayBeLeftOut:
    """Takes null from a body's schema: a generated client would try to send its mark of what is left out."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = dict(handler(core_schema))
        named, _null = schema.pop("anyOf")
        return {**schema, **named}


def uploads_router(creator: UploadCreator, uploads: Uploads, authenticate: Authenticate) -> APIRouter:
    """Return the routes under ``/v1/uploads``."""
    router = problem_router(prefix="/v1/uploads", tag="uploads")

    @router.post(
        "",
        operation_id="createUpload",
        summary="Create an upload",
        status_code=201,
        response_model=Upload,
        response_description="What it takes to send the bytes straight to S3.",
        responses=document(
            *CALLER,
            "policy_not_found",
            "file_too_large",
            "body_too_large",
            "content_type_not_allowed",
            "size_required",
            "checksum_required",
            "file_too_small",
            "invalid_key",
            "metadata_not_allowed",
            "method_not_available",
            *STORAGE,
        ),
    )
    async def create_upload(
        caller: Annotated[Principal, Depends(authenticate)],
        body: Annotated[CreateUpload, Body(examples=[_CREATE_EXAMPLE])],
    ) -> Response:
        """Say what you want to upload; get what it takes to send it, under your own key prefix."""
        grant = await creator.create(caller, body.policy, body.request())
        # Built by us from values that were just checked: to validate it once more is work for nothing.
        return Response(json.dumps(upload_answer(grant)), status_code=201, media_type="application/json")

    @router.post(
        "/batch",
        operation_id="createUploads",
        summary="Create several uploads",
        response_model=BatchResults,
        response_description="One result for each, in their order.",
        responses=document(*CALLER, "body_too_large"),
    )
    async def create_uploads(
        caller: Annotated[Principal, Depends(authenticate)],
        body: Annotated[CreateUploads, Body(examples=[_BATCH_EXAMPLE])],
    ) -> Response:
        """Create up to 100 uploads. One that is refused has a problem for a result; the others go on."""
        # Together, because a multipart upload is begun in S3.
        results = await asyncio.gather(*(_result(creator, caller, one) for one in body.uploads))
        return Response(json.dumps({"results": results}), media_type="application/json")

    @router.get(
        "/{id}",
        operation_id="getUpload",
        summary="See how far an upload is",
        response_description="What S3 says of it now.",
        responses=document(*CALLER, "not_found", "upload_expired", *STORAGE),
    )
    async def get_upload(
        caller: Annotated[Principal, Depends(authenticate)],
        id: UploadId,  # noqa: A002 - the name is the contract's
    ) -> UploadState:
        """Ask S3 whether the bytes have landed, or which parts have."""
        return state_model(id, await uploads.status(caller, id))

    @router.post(
        "/{id}/complete",
        operation_id="completeUpload",
        summary="Complete and verify an upload",
        response_description="What S3 holds, verified, and a receipt for it.",
        responses=document(
            *CALLER,
            "not_found",
            "upload_incomplete",
            "upload_aborted",
            "object_exists",
            "upload_expired",
            "body_too_large",
            "method_not_available",
            "verification_failed",
            *STORAGE,
        ),
    )
    async def complete_upload(
        caller: Annotated[Principal, Depends(authenticate)],
        id: UploadId,  # noqa: A002 - the name is the contract's
        body: Annotated[CompleteUpload | None, Body(examples=[{}]), _MayBeLeftOut()] = None,
    ) -> CompletedUpload:
        """Put parts together, and compare what landed in S3 with what was promised. Safe to repeat."""
        return completed_model(await uploads.complete(caller, id, body.etags() if body else None))

    @router.delete(
        "/{id}",
        operation_id="deleteUpload",
        summary="Give an upload up",
        status_code=204,
        response_class=Response,
        response_description="Gone, or never there.",
        responses=document(*CALLER, "not_found", "upload_expired", *STORAGE),
    )
    async def delete_upload(
        caller: Annotated[Principal, Depends(authenticate)],
        id: UploadId,  # noqa: A002 - the name is the contract's
    ) -> None:
        """Throw away the parts of an upload, or what it stored, where that is allowed. Twice is fine."""
        await uploads.delete(caller, id)

    return router


async def _result(creator: UploadCreator, caller: Principal, body: CreateUpload) -> dict[str, Any]:
    try:
        return {"upload": upload_answer(await creator.create(caller, body.policy, body.request()))}
    except UploadsvcError as error:
        return {"problem": error_content(error)}
