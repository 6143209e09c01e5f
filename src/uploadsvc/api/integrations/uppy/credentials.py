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
    """A session's key, which S3 takes for the caller's own prefix alone."""

    access_key_id: str = Field(serialization_alias="accessKeyId", examples=["ASIAIOSFODNN7EXAMPLE"])
    secret_access_key: str = Field(serialization_alias="secretAccessKey", examples=["…"])
    session_token: str = Field(serialization_alias="sessionToken", examples=["…"])
    expiration: datetime = Field(description="When they end.", examples=["2026-11-23T13:00:00Z"])


class UppyCredentials(BaseModel):
    """Credentials as Uppy reads them, and where they are good."""

    credentials: TemporaryCredentials
    region: str = Field(examples=["eu-central-1"])
    bucket: str = Field(examples=["example-bucket"])
    endpoint: str = Field(
        description="The bucket's address, for Uppy's `s3Endpoint`.",
        examples=["https://example-bucket.s3.eu-central-1.amazonaws.com"],
    )
    prefix: str = Field(
        description="What every key has to start with; for Uppy's `generateObjectKey`.",
        examples=["uploads/alice/"],
    )


def credentials_router(credential_issuer: CredentialIssuer, authenticate: Authenticate) -> APIRouter:
    """Return the route of temporary credentials."""
    router = uppy_router(prefix="/uppy", documented=True)

    @router.get(
        "/credentials",
        operation_id="getUppyCredentials",
        summary="Get S3 credentials for your own prefix",
        response_description="A session's credentials.",
        responses=problem_responses(*CALLER, *STORAGE),
    )
    async def get_uppy_credentials(
        caller: Annotated[Principal, Depends(authenticate)],
    ) -> UppyCredentials:
        """For an app's `getCredentials` function, where the operator has turned it on.

        S3 holds them to the prefix, and to nothing that a policy says.
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
