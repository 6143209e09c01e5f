"""``GET /uploads``: a presigned PUT as ``{"url": …}``, for scripts and curl."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.openapi_types import MAX_BYTES, SIZE, WithoutNull
from uploadsvc.api.problems import STORAGE, problem_responses
from uploadsvc.api.routing import problem_router
from uploadsvc.api.v1.schema_base import EXAMPLE_URL
from uploadsvc.domain.plan import ClientTraits, UploadRequest
from uploadsvc.domain.principal import Principal
from uploadsvc.services.create_upload import UploadCreator


class UploadUrl(BaseModel):
    """A presigned PUT."""

    url: str = Field(description="Presigned URL of the PUT.", examples=[EXAMPLE_URL])


def simple_router(creator: UploadCreator, authenticate: Authenticate) -> APIRouter:
    """Return the route."""
    router = problem_router(tag="simple")

    @router.get(
        "/uploads",
        operation_id="getUploadUrl",
        summary="Get a presigned PUT URL",
        response_description="The URL.",
        responses=problem_responses(
            "unauthenticated",
            "forbidden",
            "quota_exceeded",
            "policy_not_found",
            "file_too_large",
            "content_type_not_allowed",
            "validation_error",
            "size_required",
            "content_type_required",
            "checksum_required",
            "file_too_small",
            "method_not_available",
            "invalid_key",
            "rate_limited",
            "internal_error",
            "overloaded",
            *STORAGE,
        ),
    )
    async def get_upload_url(
        caller: Annotated[Principal, Depends(authenticate)],
        filename: Annotated[
            str | None,
            Query(
                description="Name of the file. A safe form of it becomes part of the key: what keys "
                "should not contain is replaced by `_`.",
                examples=["photo.jpg"],
            ),
            WithoutNull(),
        ] = None,
        content_type: Annotated[
            str | None,
            Query(
                description="Media type of the file. The PUT must send exactly this `Content-Type`.",
                examples=["image/jpeg"],
            ),
            WithoutNull(),
        ] = None,
        size: Annotated[
            Annotated[int, Field(ge=0, le=MAX_BYTES), SIZE] | None,
            Query(
                description="Size of the file in bytes. The body of the PUT must have exactly this size.",
                examples=[123456],
            ),
            WithoutNull(),
        ] = None,
        policy: Annotated[
            str | None,
            Query(
                description="Name of the policy whose limits apply to the file. Default: `default`.",
                examples=["default"],
            ),
            WithoutNull(),
        ] = None,
    ) -> UploadUrl:
        """Only the parameters that you give are signed. Those that the policy restricts are required."""
        # Browsers send the type as the page spells it, so it is signed as given.
        traits = ClientTraits(type_as_sent=True)
        request = UploadRequest(filename=filename, content_type=content_type, size=size, client=traits)
        url, _key = await creator.bare_put(caller, policy, request)
        return UploadUrl(url=url)

    return router
