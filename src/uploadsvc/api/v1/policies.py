"""Policies: what a caller may upload, for a front end to check before it asks."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.problems import IDENTITY, document
from uploadsvc.api.routing import problem_router
from uploadsvc.api.v1.schemas import UploadMethod
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import ChecksumRule
from uploadsvc.domain.principal import Principal
from uploadsvc.services.policies import PolicyRegistry


class PolicyModel(BaseModel, title="Policy"):
    """What one kind of upload may be."""

    name: str = Field(description="As requests name it in `policy`.", examples=["default"])
    min_size: int = Field(description="Bytes.", examples=[0])
    max_size: int = Field(description="Bytes.", examples=[5_368_709_120])
    content_types: list[str] = Field(
        description="Media types and ranges (`image/*`). A type that a browser would run, such as "
        "`text/html` or `image/svg+xml`, is allowed only where it is listed itself.",
        examples=[["image/jpeg", "image/png"]],
    )
    methods: list[UploadMethod] = Field(
        description="Those that can be asked for.", examples=[["post", "put"]]
    )
    expires_in: int = Field(description="How long URLs live by default, in seconds.", examples=[900])
    max_expires_in: int = Field(description="The longest that they can live, in seconds.", examples=[3600])
    client_keys: bool = Field(description="Whether `relative_key` may be given.")
    overwrite: bool = Field(description="Whether an upload may replace an object.")
    metadata: list[str] = Field(description="The names that `metadata` may hold.", examples=[["album"]])
    checksum: ChecksumRule = Field(
        description="Whether `checksum` may or must be given.", examples=["optional"]
    )
    checksum_algorithms: list[str] = Field(
        description="Those that `checksum` may name.", examples=[["crc32", "crc32c", "crc64nvme", "sha256"]]
    )


class PolicyList(BaseModel):
    """The policies that you may use."""

    policies: list[PolicyModel]


def policies_router(planners: PolicyRegistry, authenticate: Authenticate) -> APIRouter:
    """Return the one route."""
    router = problem_router(prefix="/v1", tag="policies")

    @router.get(
        "/policies",
        operation_id="listPolicies",
        summary="See what you may upload",
        response_description="The policies that this credential may use, by name.",
        responses=document(*IDENTITY),
    )
    async def list_policies(caller: Annotated[Principal, Depends(authenticate)]) -> PolicyList:
        """List what uploads may be, so that a front end can tell its user before it asks."""
        return PolicyList(policies=[_model(planner) for planner in planners.usable(caller)])

    return router


def _model(planner: Planner) -> PolicyModel:
    policy = planner.policy
    return PolicyModel(
        name=policy.name,
        min_size=policy.min_size,
        max_size=planner.max_size,
        content_types=sorted(policy.content_types),
        methods=sorted(planner.methods),
        expires_in=policy.expires_in,
        max_expires_in=policy.max_expires_in,
        client_keys=policy.client_keys,
        overwrite=policy.overwrite,
        metadata=sorted(planner.metadata_names),
        checksum=policy.checksum,
        checksum_algorithms=sorted(planner.checksum_algorithms),
    )
