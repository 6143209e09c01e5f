"""``/healthz`` and ``/readyz``, for orchestrators."""

from fastapi import APIRouter

from uploadsvc.api.problems import problem_responses
from uploadsvc.api.routing import problem_router
from uploadsvc.api.v1.service_schemas import Health, Ready
from uploadsvc.services.readiness import Readiness


def health_router(readiness: Readiness) -> APIRouter:
    """Return the health routes. They need no credential."""
    router = problem_router(tag="health")

    @router.get(
        "/healthz",
        operation_id="getHealth",
        summary="Check that the service is alive",
        response_description="The process is running.",
        responses=problem_responses("internal_error"),
    )
    async def get_health() -> Health:
        """Answer as long as the process runs. S3 is not called."""
        return Health(status="ok")

    @router.get(
        "/readyz",
        operation_id="getReadiness",
        summary="Check that the service is ready",
        response_description="S3 has answered since the service started.",
        responses=problem_responses(
            "internal_error", "storage_denied", "storage_misconfigured", "storage_unavailable"
        ),
    )
    async def get_readiness() -> Ready:
        """Ready once S3 has answered. `storage` reports later outages, during which signing still works."""
        problem = await readiness.check()
        return Ready(status="ready", storage="failing" if problem else "ok")

    return router
