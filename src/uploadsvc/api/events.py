"""``POST /events/s3``: notifications that stores push."""

from fastapi import APIRouter, Request, Response

from uploadsvc.api.routing import ProblemRoute
from uploadsvc.events.push import Push


def push_router(push: Push) -> APIRouter:
    """Return the route. It is not in the OpenAPI document, because only stores call it."""
    router = APIRouter(route_class=ProblemRoute, include_in_schema=False)

    @router.post("/events/s3", status_code=204)
    async def take(request: Request) -> Response:
        push.check(request.headers.getlist("authorization"))
        await push.take(await request.body())
        return Response(status_code=204)

    @router.head("/events/s3")
    async def ping() -> Response:
        # MinIO sends a HEAD before it accepts the settings.
        return Response()

    return router
