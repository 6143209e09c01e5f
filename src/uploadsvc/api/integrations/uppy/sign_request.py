"""``POST /uppy/sign``: signs single S3 requests, for the ``signRequest`` function of an app with Uppy 6."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeAliasType

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.integrations.uppy.common import form_url, uppy_router
from uploadsvc.api.openapi_types import (
    RequestedBytes,
    RequestedPartNumber,
    RequestedSeconds,
    omit_nulls,
)
from uploadsvc.api.problems import CALLER, STORAGE, problem_responses
from uploadsvc.api.v1.schema_base import EXAMPLE_KEY, EXAMPLE_URL
from uploadsvc.domain.principal import Principal
from uploadsvc.services.request_signing import RequestSigner, S3Request

# Named, so that generators of clients need not invent a name.
FormFields = TypeAliasType(
    "FormFields",
    Annotated[
        dict[str, str], Field(description="Fields of a form, by name.", examples=[{"key": "photo.jpg"}])
    ],
)

_EXAMPLE = {"method": "PUT", "key": "photo.jpg", "contentType": "image/jpeg"}


class SignUppyRequest(BaseModel):
    """The request that Uppy passes to `signRequest`. Your app can add `size` and `policy`."""

    # Later versions of Uppy may add fields, which are never signed.
    model_config = ConfigDict(extra="ignore", json_schema_extra=omit_nulls)

    method: Literal["PUT", "POST", "GET", "DELETE"] = Field(
        description="Method of the S3 request. `PUT` stores an object and `POST` creates a multipart upload. "
        "With `uploadId`, `PUT` sends a part, `GET` lists parts, `POST` completes and `DELETE` aborts.",
        examples=["PUT"],
    )
    key: str = Field(
        min_length=1,
        max_length=4096,
        description="Name of the file, or a full object key under your key prefix. With `uploadId`: the full "
        "key.",
        examples=["photo.jpg"],
    )
    upload_id: Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^[\x21-\x7e]+$")] | None = Field(
        default=None, alias="uploadId", description="S3's ID of a multipart upload."
    )
    part_number: RequestedPartNumber | None = Field(
        default=None, alias="partNumber", description="Number of the part. The first is 1."
    )
    content_type: str | None = Field(
        default=None,
        alias="contentType",
        description="Media type of the file. Uppy sends it since 6.3. If it is there, the response can be a "
        "form.",
    )
    expires_in: RequestedSeconds | None = Field(
        default=None,
        alias="expiresIn",
        description="Lifetime of the URL in seconds, at most the policy's `max_expires_in`.",
    )
    size: RequestedBytes | None = Field(
        default=None, description="Size in bytes. If given, the upload must have exactly this size."
    )
    policy: str | None = Field(
        default=None,
        description="Name of the policy. Default: the credential's policy if it has only one, else "
        "`default`.",
    )

    def request(self) -> S3Request:
        """Convert to the domain's value."""
        return S3Request(
            method=self.method,
            key=self.key,
            upload_id=self.upload_id,
            part_number=self.part_number,
            content_type=self.content_type,
            size=self.size,
            # Uppy sends the type since 6.3, the first version that supports forms.
            takes_forms=self.content_type is not None,
            policy=self.policy,
            expires_in=self.expires_in,
        )


class SignedUppyRequest(BaseModel):
    """The request that Uppy sends to S3."""

    url: str = Field(description="Presigned URL, or where to POST the form.", examples=[EXAMPLE_URL])
    key: str = Field(description="Full object key. Uppy uses it from here on.", examples=[EXAMPLE_KEY])
    headers: dict[str, str] = Field(
        description="Headers to send with the request, exactly as they are.", examples=[{}]
    )
    fields: FormFields | None = Field(
        description="Fields of a form that Uppy sends instead of a PUT; null if it sends no form.",
        examples=[{"key": EXAMPLE_KEY}],
    )
    id: str | None = Field(
        description="ID of the upload for `completeUpload`; null for multipart uploads. Uppy ignores it.",
        examples=["aGFuZGxl"],
    )


def sign_router(request_signer: RequestSigner, authenticate: Authenticate) -> APIRouter:
    """Return the route."""
    router = uppy_router(prefix="/uppy", documented=True)

    @router.post(
        "/sign",
        operation_id="signUppyRequest",
        summary="Sign an S3 request for Uppy",
        response_description="The signed request.",
        responses=problem_responses(
            *CALLER,
            "not_found",
            "quota_exceeded",
            "policy_not_found",
            "file_too_large",
            "body_too_large",
            "content_type_not_allowed",
            "size_required",
            "content_type_required",
            "checksum_required",
            "file_too_small",
            "invalid_key",
            "method_not_available",
            *STORAGE,
        ),
    )
    async def sign_uppy_request(
        caller: Annotated[Principal, Depends(authenticate)],
        body: Annotated[SignUppyRequest, Body(examples=[_EXAMPLE])],
    ) -> SignedUppyRequest:
        """Call it in your app's `signRequest` function for Uppy 6.

        S3 answers Uppy directly, so multipart uploads are not verified.
        """
        signed = await request_signer.sign(caller, body.request())
        return SignedUppyRequest(
            url=signed.url if signed.fields is None else form_url(signed.url),
            key=signed.key,
            headers=dict(signed.headers),
            fields=None if signed.fields is None else dict(signed.fields),
            id=signed.upload,
        )

    return router
