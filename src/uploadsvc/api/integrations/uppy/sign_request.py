"""``POST /uppy/sign``: signs single S3 requests, for the ``signRequest`` function of an app with Uppy 6."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, ConfigDict, Field, StrictInt
from typing_extensions import TypeAliasType

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.integrations.uppy.common import MAX_BYTES, form_url, uppy_router
from uploadsvc.api.problems import CALLER, STORAGE, problem_responses
from uploadsvc.api.v1.schemas import EXAMPLE_KEY, EXAMPLE_URL
from uploadsvc.domain.parts import MAX_PARTS
from uploadsvc.domain.policy import MAX_EXPIRES_IN
from uploadsvc.domain.principal import Principal
from uploadsvc.services.request_signing import RequestSigner, S3Request

# Named, so that generators of clients need not invent a name.
FormFields = TypeAliasType("FormFields", Annotated[dict[str, str], Field(examples=[{"key": "photo.jpg"}])])

_EXAMPLE = {"method": "PUT", "key": "photo.jpg", "contentType": "image/jpeg"}


class SignUppyRequest(BaseModel):
    """A request as Uppy gives it, and what the app may add: ``size`` and ``policy``."""

    # Later versions of Uppy may add fields, which are never signed.
    model_config = ConfigDict(extra="ignore")

    method: Literal["PUT", "POST", "GET", "DELETE"] = Field(
        description="`PUT` stores an object, `POST` begins a multipart upload; with `uploadId`, `PUT` is a "
        "part, `GET` lists parts, `POST` completes, `DELETE` aborts.",
        examples=["PUT"],
    )
    key: str = Field(
        min_length=1,
        max_length=4096,
        description="A filename; or a whole key below your own prefix, and always so with `uploadId`.",
        examples=["photo.jpg"],
    )
    upload_id: Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^[\x21-\x7e]+$")] | None = Field(
        default=None, alias="uploadId", description="S3's own name for a multipart upload."
    )
    part_number: Annotated[StrictInt, Field(ge=1, le=MAX_PARTS)] | None = Field(
        default=None, alias="partNumber", description="Counted from 1."
    )
    content_type: str | None = Field(
        default=None, alias="contentType", description="Sent by Uppy 6.3 and newer, which take forms."
    )
    expires_in: Annotated[StrictInt, Field(ge=1, le=MAX_EXPIRES_IN)] | None = Field(
        default=None, alias="expiresIn", description="Seconds; cut to the most that the policy allows."
    )
    size: Annotated[StrictInt, Field(ge=0, le=MAX_BYTES)] | None = Field(
        default=None, description="Bytes; where the app knows them, they are signed exactly."
    )
    policy: str | None = Field(
        default=None, description="By default the only one of the credential, else `default`."
    )

    def request(self) -> S3Request:
        """Return the request as the service's value."""
        return S3Request(
            method=self.method,
            key=self.key,
            upload_id=self.upload_id,
            part_number=self.part_number,
            content_type=self.content_type,
            size=self.size,
            # Uppy sends the type since 6.3, the version that takes forms.
            takes_forms=self.content_type is not None,
            policy=self.policy,
            expires_in=self.expires_in,
        )


class SignedUppyRequest(BaseModel):
    """What Uppy sends to S3."""

    url: str = Field(examples=[EXAMPLE_URL])
    key: str = Field(description="The whole object key, which Uppy goes on with.", examples=[EXAMPLE_KEY])
    headers: dict[str, str] = Field(description="To be sent exactly so.", examples=[{}])
    fields: FormFields | None = Field(
        description="Of a form that Uppy posts in place of a PUT; null for none.",
        examples=[{"key": EXAMPLE_KEY}],
    )
    id: str | None = Field(
        description="Of an upload by one request: names it for `completeUpload`. Uppy has no use for it.",
        examples=["aGFuZGxl"],
    )


def sign_router(request_signer: RequestSigner, authenticate: Authenticate) -> APIRouter:
    """Return the route that signs requests."""
    router = uppy_router(prefix="/uppy", documented=True)

    @router.post(
        "/sign",
        operation_id="signUppyRequest",
        summary="Sign a request of Uppy's to S3",
        response_description="The signed request.",
        responses=problem_responses(
            *CALLER,
            "not_found",
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
        """For an app's `signRequest` function.

        S3 answers Uppy itself, so nothing verifies a multipart upload.
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
