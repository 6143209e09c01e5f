"""``POST /events/s3``: stores push their notifications here."""

from fastapi import APIRouter, Request, Response

from uploadsvc.api.routing import ProblemRoute
from uploadsvc.events.push import Push


def push_router(push: Push) -> APIRouter:
    """Return the route. It is no part of the API: only stores call it."""
    router = APIRouter(route_class=ProblemRoute, include_in_schema=False)

    @router.post("/events/s3", status_code=204)
    async def take(request: Request) -> Response:
        push.check(request.headers.getlist("authorization"))
        await push.take(await request.body())
        return Response(status_code=204)

    @router.head("/events/s3")
    async def ping() -> Response:
        # MinIO asks whether anyone is there before it accepts the settings.
        return Response()

    return router
