"""``GET /uppy/credentials``: S3 credentials for the caller's prefix, for an app's ``getCredentials``."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.integrations.uppy.common import uppy_router
from uploadsvc.api.problems import CALLER, STORAGE, problem_responses
from uploadsvc.domain.principal import Principal
from uploadsvc.services.temporary_credentials import CredentialIssuer, IssuedCredentials


class TemporaryCredentials(BaseModel):
    """Temporary S3 credentials for your key prefix."""

    access_key_id: str = Field(
        serialization_alias="accessKeyId", description="Access key ID.", examples=["ASIAIOSFODNN7EXAMPLE"]
    )
    secret_access_key: str = Field(
        serialization_alias="secretAccessKey", description="Secret access key.", examples=["…"]
    )
    session_token: str = Field(
        serialization_alias="sessionToken", description="Session token.", examples=["…"]
    )
    expiration: datetime = Field(
        description="When the credentials expire.", examples=["2026-11-23T13:00:00Z"]
    )


class UppyCredentials(BaseModel):
    """Temporary S3 credentials in Uppy's format, and the bucket they are for."""

    credentials: TemporaryCredentials = Field(description="The credentials.")
    region: str = Field(description="Region of the bucket.", examples=["eu-central-1"])
    bucket: str = Field(description="Name of the bucket.", examples=["example-bucket"])
    endpoint: str = Field(
        description="URL of the bucket, for Uppy's `s3Endpoint`.",
        examples=["https://example-bucket.s3.eu-central-1.amazonaws.com"],
    )
    prefix: str = Field(
        description="Your key prefix. Keys from Uppy's `generateObjectKey` must start with it.",
        examples=["uploads/alice/"],
    )


def credentials_router(credential_issuer: CredentialIssuer, authenticate: Authenticate) -> APIRouter:
    """Return the route."""
    router = uppy_router(prefix="/uppy", documented=True)

    @router.get(
        "/credentials",
        operation_id="getUppyCredentials",
        summary="Get temporary S3 credentials for Uppy",
        response_description="Temporary credentials, and the bucket they are for.",
        responses=problem_responses(*CALLER, *STORAGE),
    )
    async def get_uppy_credentials(
        caller: Annotated[Principal, Depends(authenticate)],
    ) -> UppyCredentials:
        """Call it in your app's `getCredentials` function for Uppy 6, if the operator has enabled it.

        The credentials are limited to your key prefix. The limits of policies do not apply to them.
        """
        return _uppy_credentials(await credential_issuer.credentials(caller))

    return router


def _uppy_credentials(issued: IssuedCredentials) -> UppyCredentials:
    session = issued.credentials
    if session.session_token is None or session.expires_at is None:
        message = "temporary credentials without a session token or an end"
        raise RuntimeError(message)
    return UppyCredentials(
        credentials=TemporaryCredentials(
            access_key_id=session.access_key_id,
            secret_access_key=session.secret_access_key,
            session_token=session.session_token,
            expiration=session.expires_at,
        ),
        region=issued.region,
        bucket=issued.bucket,
        endpoint=issued.endpoint_url,
        prefix=issued.prefix,
    )
