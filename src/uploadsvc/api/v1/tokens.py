"""``POST /v1/tokens``: upload tokens."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Depends

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.problems import CALLER, problem_responses
from uploadsvc.api.routing import problem_router
from uploadsvc.api.v1.service_schemas import CreateToken, Token
from uploadsvc.domain.principal import Principal
from uploadsvc.services.upload_tokens import UploadTokenIssuer

_EXAMPLE = {"policies": ["default"], "expires_in": 600}


def tokens_router(tokens: UploadTokenIssuer, authenticate: Authenticate) -> APIRouter:
    """Return the route of upload tokens.

    Args:
        tokens: Issues them.
        authenticate: Returns the caller. A service need not name the user, because the body can.
    """
    router = problem_router(prefix="/v1", tag="tokens")

    @router.post(
        "/tokens",
        operation_id="createToken",
        summary="Create an upload token",
        status_code=HTTPStatus.CREATED,
        response_description="A token that can only be used for uploads.",
        responses=problem_responses(*CALLER, "policy_not_found", "body_too_large"),
    )
    async def create_token(
        caller: Annotated[Principal, Depends(authenticate)],
        body: Annotated[CreateToken, Body(examples=[_EXAMPLE])],
    ) -> Token:
        """Issue a short-lived token that can upload for one user, with some policies."""
        token, expires_at = tokens.issue(
            caller, user=body.user, policies=body.policies, expires_in=body.expires_in
        )
        return Token(token=token, expires_at=expires_at)

    return router
