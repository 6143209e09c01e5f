"""``POST /better-upload``, and where the client completes or gives up what it sends in parts."""

import asyncio
import json
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.integrations.better_upload.addresses import PREFIX, own_address
from uploadsvc.api.integrations.better_upload.errors import BetterUploadRoute, refusal
from uploadsvc.api.integrations.better_upload.parts_xml import read_parts
from uploadsvc.api.integrations.better_upload.requests import TooManyFilesError, upload_requests
from uploadsvc.api.integrations.better_upload.schemas import (
    Offer,
    multipart_answer,
    part_answer,
    single_answer,
)
from uploadsvc.domain.errors import StorageUnavailable
from uploadsvc.domain.principal import Principal
from uploadsvc.services.create_upload import Grant, UploadCreator
from uploadsvc.services.multipart import MAX_SIGNED_PARTS
from uploadsvc.services.uploads import Uploads
from uploadsvc.tokens.jwts import ServiceTokens

TIME_TO_COMPLETE: Final = timedelta(hours=1)
"""How long after the end of its parts' URLs an upload can still be completed: the last may be under way."""

COMPLETE_WAIT: Final = 14.0
"""Seconds that one completion request waits for S3 before it redirects the client to itself.

The client treats any failure as final and aborts the upload, while S3 may take minutes. A browser follows
20 redirects. One wait is shorter than the timeouts of proxies (60 s) and than the drain time of a process.
"""


def better_upload_router(
    creator: UploadCreator,
    uploads: Uploads,
    authenticate: Authenticate,
    actions: ServiceTokens,
    *,
    public_url: str | None,
) -> APIRouter:
    """Return the routes. They are another product's wire format, so the document does not list them.

    Args:
        creator: Creates uploads.
        uploads: Completes them and gives them up.
        authenticate: Who calls.
        actions: For the addresses at which the client sends no credential.
        public_url: Where callers reach the service, if the settings say so.
    """
    router = APIRouter(
        prefix=PREFIX, tags=["better-upload"], route_class=BetterUploadRoute, include_in_schema=False
    )

    @router.post("")
    async def offer_files(
        caller: Annotated[Principal, Depends(authenticate)], request: Request, offer: Offer
    ) -> Response:
        """Sign all that the client will need, or nothing: it can ask only once."""
        planner = creator.policies.choose(caller, offer.route)
        try:
            requests = upload_requests(offer, planner)
        except TooManyFilesError as error:
            return refusal("too_many_files", str(error), status=422)
        part_size = requests[0].part_size
        if part_size is None:
            grants = await creator.create_all(caller, offer.route, requests)
            return _answer(single_answer(offer.files, grants))
        address = own_address(request, public_url=public_url)
        grants = await creator.create_all(caller, offer.route, requests)
        expires_in = planner.policy.max_expires_in
        parts = [await _all_parts(uploads, caller, grant, expires_in=expires_in) for grant in grants]
        addresses = [_addresses(address, actions, caller, grant) for grant in grants]
        return _answer(
            multipart_answer(offer.files, grants, parts=parts, addresses=addresses, part_size=part_size)
        )

    @router.post("/complete/{token}")
    async def complete(token: str, request: Request) -> Response:
        """Put the parts together if S3 has those that the client sent, and verify the whole."""
        action = actions.verify(token, act="complete")
        caller, upload_id = action.principal, action.claims["upload"]
        etags = read_parts(await request.body())
        try:
            await uploads.complete(caller, upload_id, etags, wait=COMPLETE_WAIT)
        except StorageUnavailable:
            # Relative, so that it holds behind any proxy.
            return Response(status_code=307, headers={"Location": token})
        return Response(status_code=204)

    @router.delete("/abort/{token}")
    async def abort(token: str) -> Response:
        """Throw the parts away; an object that is stored stays."""
        action = actions.verify(token, act="abort")
        await uploads.abort(action.principal, action.claims["upload"])
        return Response(status_code=204)

    return router


async def _all_parts(
    uploads: Uploads, caller: Principal, grant: Grant, *, expires_in: int
) -> list[dict[str, Any]]:
    # Others have their turn: ten thousand signatures take a good part of a second.
    await asyncio.sleep(0)
    signed = [part_answer(part) for part in grant.parts]
    count = grant.plan.parts.count if grant.plan.parts else 0
    for start in range(len(signed) + 1, count + 1, MAX_SIGNED_PARTS):
        await asyncio.sleep(0)
        numbers = range(start, min(start + MAX_SIGNED_PARTS, count + 1))
        more, _ = await uploads.sign_parts(caller, grant.id, numbers, None, expires_in=expires_in)
        signed += [part_answer(part) for part in more]
    return signed


def _addresses(address: str, actions: ServiceTokens, caller: Principal, grant: Grant) -> tuple[str, str]:
    ends = min(grant.expires_at + TIME_TO_COMPLETE, grant.upload_expires_at)
    complete, abort = (
        actions.issue(caller.user, caller.policies, expires_at=ends, act=act, upload=grant.id)
        for act in ("complete", "abort")
    )
    return f"{address}/complete/{complete}", f"{address}/abort/{abort}"


def _answer(content: dict[str, Any]) -> Response:
    return Response(json.dumps(content), media_type="application/json")
