"""Check the address that browsers upload to."""

import asyncio
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final
from uuid import uuid4

import httpx

from uploadsvc.doctor.canaries import Canaries
from uploadsvc.doctor.findings import Finding, blocked, failed, ok, warning
from uploadsvc.doctor.network import obstacle
from uploadsvc.doctor.responses import S3Response
from uploadsvc.doctor.target import Target
from uploadsvc.domain.credentials import Credentials
from uploadsvc.s3.presigner import Presigner

CHECK: Final = "public-endpoint"

_SETTING: Final = "UPLOADSVC_S3__PUBLIC_ENDPOINT_URL"
_STYLE: Final = "UPLOADSVC_S3__PUBLIC_ADDRESSING_STYLE"
_TIMEOUT: Final = 15.0
_EXPIRES_IN: Final = 300
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The canaries' route to S3: the public address, or the service's own if the public one fails from here.

    Attributes:
        presigner: Signs for the address that they are sent to.
        reached: Whether they can be sent at all.
    """

    presigner: Presigner
    reached: bool


async def public_endpoint(
    target: Target,
    http: httpx.AsyncClient,
    credentials: Credentials | None,
    *,
    cause: str | None,
    canaries: Canaries | None,
) -> tuple[Finding, Route]:
    """Ask for a missing object with a URL signed for the public address; store a canary there.

    Args:
        target: The target of the run.
        http: Sends as a browser does.
        credentials: Sign the URL; ``None`` if there are none.
        cause: The check that keeps signed requests from working.
        canaries: Sends a canary to the public address; ``None`` if nothing may be stored.

    Returns:
        The finding, and the route for the other checks.
    """
    if cause == "endpoint" and not target.has_own_public_address:
        finding: Finding | None = blocked(CHECK, cause)
    elif credentials is None or cause is not None:
        finding = await _refusal(target, http, target.presigner.endpoint.base_url, signed=False)
    else:
        finding = await _refusal(target, http, await _url(target, credentials), signed=True)
        if finding is None and canaries is not None and target.has_own_public_address:
            finding = await _misplaced(target, canaries)
    route = Route(presigner=target.presigner, reached=True)
    if finding is not None:
        inner = replace(target.presigner, endpoint=target.inner)
        route = Route(presigner=inner, reached=target.has_own_public_address and cause != "endpoint")
    if finding is None or finding.status == "warning":
        # Mixed content fails in any browser.
        finding = _mixed(target) or finding
    where = f"{target.presigner.endpoint.scheme}://{target.presigner.endpoint.host}"
    if finding is None and (credentials is None or cause is not None):
        found = f"{where} answers; signed requests were not tried, as {cause} failed"
        finding = ok(CHECK, found)
    return finding or ok(CHECK, f"{where} accepts signed requests"), route


async def _refusal(target: Target, http: httpx.AsyncClient, url: str, *, signed: bool) -> Finding | None:
    """Return the problem with the address. An unsigned request only needs a response."""
    endpoint = target.presigner.endpoint
    where = f"{endpoint.scheme}://{endpoint.host}"
    try:
        async with asyncio.timeout(_TIMEOUT):
            response = S3Response.of_response(await http.get(url))
    except (httpx.HTTPError, TimeoutError) as error:
        reason = await obstacle(endpoint, trust=target.trust, setting=_SETTING)
        found = reason.found if reason else f"{where} does not answer by HTTP ({type(error).__name__})"
        fix = f"make sure that browsers reach it, or correct {_SETTING}"
        return warning(CHECK, f"{found}, from here", fix)
    # Without the right to list, S3 does not say that an object is missing.
    denied = response.status == HTTPStatus.FORBIDDEN and response.code == "AccessDenied"
    if denied or response.code == "NoSuchKey" or not signed:
        return None
    return failed(CHECK, f"{where} answers {response} to a signed request", _fix(response))


async def _url(target: Target, credentials: Credentials) -> str:
    batch = await target.presigner.with_credentials(credentials).start(expires_in=_EXPIRES_IN)
    return batch.url("GET", f"{target.folder}/{uuid4().hex}")


async def _misplaced(target: Target, canaries: Canaries) -> Finding | None:
    """Return the problem if a stored object is not where the service looks for it."""
    outcome = await canaries.locate()
    if not outcome.misplaced:
        return None
    endpoint = target.presigner.endpoint
    found = (
        f"{endpoint.scheme}://{endpoint.host} accepts an upload, but the object is stored "
        f"{outcome.misplaced}, where the service does not look"
    )
    if outcome.bucket_in_key:
        return failed(CHECK, found, f"set {_STYLE}=bucket_endpoint: the address leads to the bucket already")
    return failed(CHECK, found, address_fix(target))


def address_fix(target: Target) -> str:
    """Return the fix for a public address that does not lead to the service's bucket."""
    return (
        f"set {_SETTING} to an address of the bucket {target.bucket}, and {_STYLE} to how it names the "
        "bucket: bucket_endpoint if it leads to the bucket already"
    )


def _fix(response: S3Response) -> str:
    if response.code == "SignatureDoesNotMatch":
        return f"let the proxy there pass Host and path on unchanged, or set {_SETTING} to the store itself"
    if response.status == HTTPStatus.NOT_FOUND and response.code == "NoSuchBucket":
        return f"check {_STYLE}: the bucket is not where the URL says"
    return f"check what answers there; {_SETTING} must be the store, or a proxy that passes everything on"


def _mixed(target: Target) -> Finding | None:
    """HTTPS pages may send plain HTTP only to the local machine: https://www.w3.org/TR/mixed-content/."""
    endpoint = target.presigner.endpoint
    pages = [origin for origin in target.origins if origin.startswith("https://")]
    host = endpoint.host.rpartition(":")[0] or endpoint.host
    if endpoint.scheme == "https" or not pages or host in _LOCAL:
        return None
    found = f"http://{endpoint.host} is closed to pages of {pages[0]}: browsers block mixed content"
    return failed(CHECK, found, f"set {_SETTING} to an https:// address of the store")
