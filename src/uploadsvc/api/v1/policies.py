"""``GET /v1/policies``: limits for a front end to check before it creates an upload."""

from typing import Annotated

from fastapi import APIRouter, Depends

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.problems import IDENTITY, problem_responses
from uploadsvc.api.routing import problem_router
from uploadsvc.api.v1.serializers import usable_policy
from uploadsvc.api.v1.service_schemas import PolicyList
from uploadsvc.domain.principal import Principal
from uploadsvc.services.policies import PolicyRegistry


def policies_router(policies: PolicyRegistry, authenticate: Authenticate) -> APIRouter:
    """Return the route that lists policies."""
    router = problem_router(prefix="/v1", tag="policies")

    @router.get(
        "/policies",
        operation_id="listPolicies",
        summary="List your policies",
        response_description="The policies that this credential can use, sorted by name.",
        responses=problem_responses(*IDENTITY),
    )
    async def list_policies(caller: Annotated[Principal, Depends(authenticate)]) -> PolicyList:
        """List the limits of your uploads, so that a front end can check files before it creates uploads."""
        return PolicyList(policies=[usable_policy(planner) for planner in policies.usable(caller)])

    return router
