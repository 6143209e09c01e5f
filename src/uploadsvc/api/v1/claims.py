"""``POST /v1/objects/claim``, for the operator's backend."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.problems import CALLER, STORAGE, problem_responses
from uploadsvc.api.routing import problem_router
from uploadsvc.api.v1.object_schemas import ClaimedObject, ClaimObject
from uploadsvc.api.v1.schema_base import EXAMPLE_KEY
from uploadsvc.api.v1.serializers import stored_object
from uploadsvc.domain.principal import Principal
from uploadsvc.services.claiming import Claimer


def claims_router(claimer: Claimer, authenticate: Authenticate) -> APIRouter:
    """Return the route of claims.

    Args:
        claimer: Claims objects.
        authenticate: Returns the caller. A service need not name the user, because a receipt does.
    """
    router = problem_router(prefix="/v1", tag="objects")

    @router.post(
        "/objects/claim",
        operation_id="claimObject",
        summary="Claim an object",
        response_description="The object, which S3 no longer deletes as unclaimed.",
        responses=problem_responses(
            *CALLER, "not_found", "body_too_large", "invalid_key", "verification_failed", *STORAGE
        ),
    )
    async def claim_object(
        caller: Annotated[Principal, Depends(authenticate)],
        body: Annotated[ClaimObject, Body(examples=[{"key": EXAMPLE_KEY}])],
    ) -> ClaimedObject:
        """Keep an object that S3 would delete as unclaimed. Safe to repeat.

        Only with an API key. Give the receipt of the upload, or the key and, in `X-On-Behalf-Of`, its user.
        """
        stored = await claimer.claim(caller, receipt=body.receipt, key=body.key)
        return ClaimedObject(object=stored_object(stored))

    return router
