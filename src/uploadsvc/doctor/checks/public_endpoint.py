"""The address that browsers are sent to."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

import httpx

from uploadsvc.doctor.findings import Finding, failed, follows, ok, warning
from uploadsvc.doctor.network import obstacle
from uploadsvc.doctor.responses import Answer, of_response
from uploadsvc.doctor.target import Target
from uploadsvc.domain.credentials import Credentials
from uploadsvc.s3.presigner import Presigner

CHECK: Final = "public-endpoint"

_SETTING: Final = "UPLOADSVC_S3__PUBLIC_ENDPOINT_URL"
_PATIENCE: Final = 15.0
_EXPIRES_IN: Final = 300
_FORBIDDEN: Final = 403
_MISSING: Final = 404
_HERE: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How canaries go: as callers' uploads do, or past a public address that does not work from here.

    Attributes:
        presigner: Signs for the address that they are sent to.
        reached: Whether there is any.
    """

    presigner: Presigner
    reached: bool


async def public_endpoint(
    target: Target, http: httpx.AsyncClient, credentials: Credentials | None, *, cause: str | None
) -> tuple[Finding, Way]:
    """Ask for an object that is not there, by a URL signed for the public address.

    Args:
        target: What is examined.
        http: Sends as a browser does.
        credentials: What signs; ``None`` where there are none.
        cause: The check that keeps anything signed from working.

    Returns:
        What was found, and the way that the other checks are to take.
    """
    if cause == "endpoint" and not target.has_own_public_address:
        finding: Finding | None = follows(CHECK, cause)
    elif credentials is None or cause is not None:
        finding = await _refusal(target, http, target.presigner.endpoint.base_url, signed=False)
    else:
        finding = await _refusal(target, http, await _url(target, credentials), signed=True)
    way = Way(presigner=target.presigner, reached=True)
    if finding is not None:
        past = replace(target.presigner, endpoint=target.inner)
        way = Way(presigner=past, reached=target.has_own_public_address and cause != "endpoint")
    if finding is None or finding.status == "warning":
        # Whoever reaches it, pages by HTTPS do not.
        finding = _mixed(target) or finding
    where = f"{target.presigner.endpoint.scheme}://{target.presigner.endpoint.host}"
    if finding is None and (credentials is None or cause is not None):
        finding = ok(CHECK, f"{where} answers; what is signed for it was not tried, as {cause} failed")
    return finding or ok(CHECK, f"{where} takes what is signed for it"), way


async def _refusal(target: Target, http: httpx.AsyncClient, url: str, *, signed: bool) -> Finding | None:
    """Return what is wrong with the address; of what is not signed any answer will do."""
    endpoint = target.presigner.endpoint
    where = f"{endpoint.scheme}://{endpoint.host}"
    try:
        async with asyncio.timeout(_PATIENCE):
            answer = of_response(await http.get(url))
    except (httpx.HTTPError, TimeoutError) as error:
        blocked = await obstacle(endpoint, trust=target.trust)
        found = blocked or f"{where} does not answer by HTTP ({type(error).__name__})"
        mend = f"see that browsers reach it; {_SETTING} says where they are sent"
        return warning(CHECK, f"{found}, from here", mend)
    # Without the right to list, S3 does not tell that an object is missing.
    missing = answer.code == "NoSuchKey" or (answer.status == _FORBIDDEN and answer.code == "AccessDenied")
    if missing or not signed:
        return None
    return failed(CHECK, f"{where} answers {answer} to what is signed for it", _mend(answer))


async def _url(target: Target, credentials: Credentials) -> str:
    batch = await target.presigner.with_credentials(credentials).start(expires_in=_EXPIRES_IN)
    return batch.url("GET", f"{target.folder}/{uuid4().hex}")


def _mend(answer: Answer) -> str:
    if answer.code == "SignatureDoesNotMatch":
        return (
            f"let the proxy there pass Host and path on as they come, or set {_SETTING} to the store itself"
        )
    if answer.status == _MISSING and answer.code == "NoSuchBucket":
        return "check UPLOADSVC_S3__ADDRESSING_STYLE: the bucket is not where the URL says"
    return f"see what answers there; {_SETTING} has to be the store itself, or what passes all on to it"


def _mixed(target: Target) -> Finding | None:
    """Pages by TLS may send nothing without it, but to their own machine: https://www.w3.org/TR/mixed-content/."""
    endpoint = target.presigner.endpoint
    pages = [origin for origin in target.origins if origin.startswith("https://")]
    host = endpoint.host.rpartition(":")[0] or endpoint.host
    if endpoint.scheme == "https" or not pages or host in _HERE:
        return None
    found = f"http://{endpoint.host} is closed to pages of {pages[0]}: browsers block mixed content"
    return failed(CHECK, found, f"set {_SETTING} to an https:// address of the store")
