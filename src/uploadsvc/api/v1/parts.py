"""Multipart uploads: sign their parts, list those that are unfinished."""

import json
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.problems import CALLER, STORAGE, document
from uploadsvc.api.routing import problem_router
from uploadsvc.api.v1.schemas import SignedPartModel
from uploadsvc.api.v1.serializers import part_answer, rfc3339
from uploadsvc.api.v1.uploads import UploadId
from uploadsvc.domain.parts import MAX_PARTS
from uploadsvc.domain.principal import Principal
from uploadsvc.services.multipart import MAX_SIGNED_PARTS
from uploadsvc.services.objects import MAX_LISTED
from uploadsvc.services.uploads import Uploads

_KEY = "uploads/alice/7f9c24e5-2f4c-4a5e-9d53-0a1a1c5b9d10/video.mp4"


class SignParts(BaseModel):
    """The parts to be signed."""

    model_config = ConfigDict(extra="forbid")

    part_numbers: list[Annotated[StrictInt, Field(ge=1, le=MAX_PARTS)]] = Field(
        min_length=1, max_length=MAX_SIGNED_PARTS, description="Counted from 1."
    )
    checksums: Annotated[list[str], Field(max_length=MAX_SIGNED_PARTS)] | None = Field(
        default=None,
        description="Theirs, in base64 and in the same order, where the upload was created with a checksum.",
    )


class SignedParts(BaseModel):
    """Presigned PUTs of parts."""

    parts: list[SignedPartModel]
    expires_at: datetime = Field(description="When the URLs end.", examples=["2026-11-23T12:15:00Z"])


class UnfinishedUploadModel(BaseModel, title="UnfinishedUpload"):
    """A multipart upload that was begun, and is neither complete nor aborted."""

    id: str = Field(
        description="Serves for status and for giving it up; to go on, use the id from the creation.",
        examples=["aGFuZGxl"],
    )
    key: str = Field(description="The whole object key.", examples=[_KEY])
    started_at: datetime = Field(examples=["2026-11-23T12:00:00Z"])


class UploadPage(BaseModel):
    """Some of your unfinished uploads."""

    uploads: list[UnfinishedUploadModel]
    cursor: str | None = Field(
        description="Asks for the next ones; null at the end.", examples=["WyJ2aWRlby5tcDQiLCAiMSJd"]
    )


def parts_router(uploads: Uploads, authenticate: Authenticate) -> APIRouter:
    """Return the routes of what only multipart uploads have."""
    router = problem_router(prefix="/v1/uploads", tag="uploads")

    @router.get(
        "",
        operation_id="listUploads",
        summary="List your unfinished uploads",
        response_description="Some of them, as far as S3 remembers.",
        responses=document(*CALLER, *STORAGE),
    )
    async def list_uploads(
        caller: Annotated[Principal, Depends(authenticate)],
        cursor: Annotated[
            str | None, Query(description="From the page before.", examples=["WyJ2aWRlby5tcDQiLCAiMSJd"])
        ] = None,
        limit: Annotated[
            int | None, Query(ge=1, le=MAX_LISTED, description="By default 100.", examples=[100])
        ] = None,
    ) -> UploadPage:
        """List the multipart uploads that were begun under your key prefix and left unfinished."""
        listed, following = await uploads.unfinished(caller, cursor=cursor, limit=limit or 100)
        return UploadPage(
            uploads=[
                UnfinishedUploadModel(id=upload_id, key=one.key, started_at=one.started_at)
                for upload_id, one in listed
            ],
            cursor=following,
        )

    @router.post(
        "/{id}/parts",
        operation_id="signParts",
        summary="Sign parts of a multipart upload",
        response_model=SignedParts,
        response_description="Presigned PUTs.",
        responses=document(
            *CALLER, "not_found", "upload_expired", "body_too_large", "method_not_available", *STORAGE
        ),
    )
    async def sign_parts(
        caller: Annotated[Principal, Depends(authenticate)],
        id: UploadId,  # noqa: A002 - the name is the contract's
        body: Annotated[SignParts, Body(examples=[{"part_numbers": [2, 3]}])],
    ) -> Response:
        """Get fresh URLs for parts, as often as it takes while the upload's id counts."""
        parts, expires_at = await uploads.sign_parts(caller, id, body.part_numbers, body.checksums)
        answer = {"parts": [part_answer(part) for part in parts], "expires_at": rfc3339(expires_at)}
        # Built by us from values that were just checked: to validate it once more is work for nothing.
        return Response(json.dumps(answer), media_type="application/json")

    return router
