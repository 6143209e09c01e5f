"""Upload tokens: a part of one's rights, to be handed on."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.problems import CALLER, document
from uploadsvc.api.routing import problem_router
from uploadsvc.domain.principal import Principal
from uploadsvc.services.upload_tokens import UploadTokenIssuer

_EXAMPLE = {"policies": ["default"], "expires_in": 600}


class CreateToken(BaseModel):
    """What the token shall be good for. Every field may be left out."""

    model_config = ConfigDict(extra="forbid")

    user: str | None = Field(
        default=None,
        description="Whom it speaks for; by default you. Only an API key may name somebody else.",
    )
    policies: Annotated[list[str], Field(min_length=1, max_length=50)] | None = Field(
        default=None, description="The policies that it may use; by default all of yours."
    )
    expires_in: Annotated[StrictInt, Field(ge=1)] | None = Field(
        default=None,
        description="Seconds; cut to the most that is allowed, and to the end of your credential.",
    )


class Token(BaseModel):
    """An upload token."""

    token: str = Field(description="Sent as `Authorization: Bearer`.", examples=["eyJhbGciOi…"])
    expires_at: datetime = Field(examples=["2026-11-23T12:10:00Z"])


def tokens_router(tokens: UploadTokenIssuer, authenticate: Authenticate) -> APIRouter:
    """Return the one route. Its authentication lets a service leave out whom it speaks for."""
    router = problem_router(prefix="/v1", tag="tokens")

    @router.post(
        "/tokens",
        operation_id="createToken",
        summary="Get a short-lived upload token",
        status_code=201,
        response_description="A token that is good for uploads only.",
        responses=document(*CALLER, "policy_not_found", "body_too_large"),
    )
    async def create_token(
        caller: Annotated[Principal, Depends(authenticate)],
        body: Annotated[CreateToken, Body(examples=[_EXAMPLE])],
    ) -> Token:
        """Hand on a part of your rights: one user's uploads by some policies, for a short while."""
        token, expires_at = tokens.issue(
            caller, user=body.user, policies=body.policies, expires_in=body.expires_in
        )
        return Token(token=token, expires_at=expires_at)

    return router
