"""``POST /better-upload``, and the URLs that complete or abort multipart uploads."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response

from uploadsvc.api.dependencies import Authenticate, RequestRates
from uploadsvc.api.integrations.better_upload.parts_xml import read_parts
from uploadsvc.api.integrations.better_upload.schemas import (
    Offer,
    TooManyFilesError,
    multipart_json,
    parts_json,
    single_json,
    upload_requests,
)
from uploadsvc.api.json_responses import PiecewiseJson
from uploadsvc.api.problems import Problem
from uploadsvc.api.routing import ProblemRoute
from uploadsvc.domain.endpoints import base_url
from uploadsvc.domain.errors import StorageUnavailable, ValidationFailed
from uploadsvc.domain.principal import Principal
from uploadsvc.services.create_upload import Grant, UploadCreator
from uploadsvc.services.multipart import MAX_SIGNED_PARTS
from uploadsvc.services.uploads import Uploads
from uploadsvc.tokens.jwts import ServiceTokens

PREFIX: Final = "/better-upload"

TIME_TO_COMPLETE: Final = timedelta(hours=1)
"""Time to complete an upload after its part URLs expire, for parts that are still being sent."""

COMPLETE_WAIT: Final = 14.0
"""Seconds that a completion request waits for S3 before it redirects the client to itself.

The client aborts the upload after any failure, but S3 may take minutes. Browsers follow 20 redirects. A wait
is shorter than the timeouts of proxies (60 s) and the drain time of a process.
"""

_ERROR_TYPES: Final[Mapping[str, str]] = {
    "file_too_large": "file_too_large",
    "content_type_not_allowed": "invalid_file_type",
    "content_type_required": "invalid_file_type",
    "unauthenticated": "rejected",
    "forbidden": "rejected",
    "quota_exceeded": "rejected",
    "not_found": "rejected",
    "policy_not_found": "rejected",
}
_OTHER_ERROR_TYPE: Final = "invalid_request"


class BetterUploadRoute(ProblemRoute):
    """A route with problems in the client's format. The status codes are unchanged."""

    def render(self, problem: Problem) -> Response:
        """Return an error with a message that the client shows to its user."""
        kind = _ERROR_TYPES.get(problem.code, _OTHER_ERROR_TYPE)
        return _error(kind, problem.detail, status=problem.status, headers=problem.headers)


def better_upload_router(
    creator: UploadCreator,
    uploads: Uploads,
    authenticate: Authenticate,
    actions: ServiceTokens,
    *,
    public_url: str | None,
    rates: RequestRates | None = None,
) -> APIRouter:
    """Return the routes. They are not in the OpenAPI document, because the protocol is another product's.

    Args:
        creator: Creates uploads.
        uploads: Completes and aborts them.
        authenticate: Returns the caller.
        actions: Issues and verifies tokens in URLs that the client calls without a credential.
        public_url: Public URL of the service without a trailing slash, if set.
        rates: Rate limits of calls without a credential; ``authenticate`` counts the others.
    """
    router = APIRouter(
        prefix=PREFIX, tags=["better-upload"], route_class=BetterUploadRoute, include_in_schema=False
    )

    @router.post("")
    async def create_uploads(
        caller: Annotated[Principal, Depends(authenticate)], request: Request, offer: Offer
    ) -> Response:
        """Sign all URLs of all files, or none: the client asks only once."""
        planner = creator.choose(caller, offer.route)
        try:
            requests = upload_requests(offer, planner)
        except TooManyFilesError as error:
            return _error("too_many_files", str(error), status=HTTPStatus.UNPROCESSABLE_ENTITY)
        part_size = requests[0].client.part_size
        if part_size is None:
            grants = await creator.create_all(caller, offer.route, requests)
            return _json(single_json(offer.files, grants))
        address = _router_url(request, public_url=public_url)
        grants = await creator.create_all(caller, offer.route, requests)
        expires_in = planner.policy.max_expires_in
        parts = [await _all_parts(uploads, caller, grant, expires_in=expires_in) for grant in grants]
        urls = [_action_urls(address, actions, caller, grant) for grant in grants]
        return PiecewiseJson(
            list(multipart_json(offer.files, grants, parts=parts, action_urls=urls, part_size=part_size))
        )

    @router.post("/complete/{token}")
    async def complete(token: str, request: Request) -> Response:
        """Assemble the parts, if S3 has those that the client names, and verify the object."""
        action = actions.verify(token, act="complete")
        if rates is not None:
            await rates.passed(request.scope, action.principal)
        caller, upload_id = action.principal, action.claims["upload"]
        etags = read_parts(await request.body())
        try:
            await uploads.complete(caller, upload_id, etags, wait=COMPLETE_WAIT, through_outages=True)
        except StorageUnavailable:
            # Relative, so that it works behind any proxy.
            return Response(status_code=HTTPStatus.TEMPORARY_REDIRECT, headers={"Location": token})
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.delete("/abort/{token}")
    async def abort(token: str, request: Request) -> Response:
        """Abort the multipart upload. A stored object stays."""
        action = actions.verify(token, act="abort")
        if rates is not None:
            await rates.passed(request.scope, action.principal)
        await uploads.abort(action.principal, action.claims["upload"])
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router


async def _all_parts(uploads: Uploads, caller: Principal, grant: Grant, *, expires_in: int) -> list[bytes]:
    # Yield to other requests: ten thousand signatures take a large part of a second.
    await asyncio.sleep(0)
    signed = [parts_json(grant.parts)] if grant.parts else []
    count = grant.plan.parts.count if grant.plan.parts else 0
    for start in range(len(grant.parts) + 1, count + 1, MAX_SIGNED_PARTS):
        await asyncio.sleep(0)
        numbers = range(start, min(start + MAX_SIGNED_PARTS, count + 1))
        more, _ = await uploads.sign_parts(caller, grant.id, numbers, None, expires_in=expires_in)
        signed.append(parts_json(more))
    return signed


def _action_urls(address: str, actions: ServiceTokens, caller: Principal, grant: Grant) -> tuple[str, str]:
    """Return the URLs that complete and abort an upload."""
    end = min(grant.expires_at + TIME_TO_COMPLETE, grant.upload_expires_at)
    complete, abort = (
        actions.issue(caller.user, caller.policies, expires_at=end, act=act, upload=grant.id)
        for act in ("complete", "abort")
    )
    return f"{address}/complete/{complete}", f"{address}/abort/{abort}"


def _router_url(request: Request, *, public_url: str | None) -> str:
    """Return the absolute URL of these routes, from the settings or the request.

    Args:
        request: A request to ``PREFIX`` itself.
        public_url: Public URL of the service, if set.

    Raises:
        ValidationFailed: The request's ``Host`` cannot be part of a URL.
    """
    if public_url is not None:
        return public_url + PREFIX
    scope = request.scope
    root, path = scope.get("root_path", ""), scope["path"]
    # The path contains the prefix of a mount, but not one that a proxy strips.
    full_path = path if path.startswith(f"{root}/") else root + path
    return _origin(scope["scheme"], request.headers.get("host", "")) + quote(full_path)


def _origin(scheme: str, host: str) -> str:
    try:
        if "/" not in host:
            return base_url(f"{scheme}://{host}", name="Host")
    except ValueError:
        pass
    detail = "The request's Host is not a host name or IP address, with at most a port."
    raise ValidationFailed(detail, field="Host")


def _error(kind: str, message: str, *, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return _json({"error": {"type": kind, "message": message}}, status, headers)


def _json(
    body: dict[str, Any], status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(json.dumps(body), status, media_type="application/json", headers=headers)
