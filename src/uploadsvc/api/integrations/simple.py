"""``GET /uploads``: a presigned PUT as ``{"url": …}``, for scripts and curl."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.problems import STORAGE, problem_responses
from uploadsvc.api.routing import problem_router
from uploadsvc.api.v1.schemas import EXAMPLE_URL
from uploadsvc.domain.plan import ClientTraits, UploadRequest
from uploadsvc.domain.principal import Principal
from uploadsvc.services.create_upload import UploadCreator


class UploadUrl(BaseModel):
    """A presigned PUT."""

    url: str = Field(examples=[EXAMPLE_URL])


def simple_router(creator: UploadCreator, authenticate: Authenticate) -> APIRouter:
    """Return the route that gives bare URLs."""
    router = problem_router(tag="simple")

    @router.get(
        "/uploads",
        operation_id="getUploadUrl",
        summary="Get a presigned PUT, and nothing else",
        response_description="The URL.",
        responses=problem_responses(
            "unauthenticated",
            "forbidden",
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
            "internal_error",
            *STORAGE,
        ),
    )
    async def get_upload_url(
        caller: Annotated[Principal, Depends(authenticate)],
        filename: Annotated[str | None, Query(examples=["photo.jpg"])] = None,
        content_type: Annotated[
            str | None, Query(description="Then `Content-Type` must be sent so.", examples=["image/jpeg"])
        ] = None,
        size: Annotated[
            int | None,
            Query(ge=0, le=2**63 - 1, description="Bytes; then the body must have them.", examples=[123456]),
        ] = None,
        policy: Annotated[
            str | None, Query(description="By default `default`.", examples=["default"])
        ] = None,
    ) -> UploadUrl:
        """The PUT needs no header but those of what you name; what the policy restricts must be named."""
        # Browsers send the type as the page spells it, so it is signed as given.
        traits = ClientTraits(type_as_sent=True)
        request = UploadRequest(filename=filename, content_type=content_type, size=size, client=traits)
        url, _key = await creator.bare_put(caller, policy, request)
        return UploadUrl(url=url)

    return router
