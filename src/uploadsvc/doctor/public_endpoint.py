"""The address that browsers are sent to."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import uuid4

import httpx

from uploadsvc.doctor.answers import Answer, of_response
from uploadsvc.doctor.finding import Finding, failed, follows, ok, warning
from uploadsvc.doctor.network import obstacle
from uploadsvc.doctor.target import Target
from uploadsvc.domain.credentials import Credentials
from uploadsvc.signing import Signer

CHECK: Final = "public-endpoint"

_SETTING: Final = "UPLOADSVC_S3__PUBLIC_ENDPOINT_URL"
_EXPIRES_IN: Final = timedelta(minutes=5)
_FORBIDDEN: Final = 403
_MISSING: Final = 404
_HERE: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How canaries go.

    Attributes:
        signer: Signs for the address that they are sent to.
        public: Whether that is the one that browsers are sent to.
        reached: Whether there is any.
    """

    signer: Signer
    public: bool
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
    endpoint = target.signer.endpoint
    where = f"{endpoint.scheme}://{endpoint.host}"
    inner = replace(target.signer, endpoint=target.inner)
    otherwise = Way(
        signer=inner, public=not target.has_own_public_address, reached=target.has_own_public_address
    )
    if cause == "endpoint" and not target.has_own_public_address:
        return follows(CHECK, cause), otherwise
    blocked = await obstacle(endpoint, trust=target.trust)
    if blocked is not None:
        mend = f"see that browsers reach it; {_SETTING} says where they are sent"
        return warning(CHECK, f"{blocked}, from here", mend), otherwise
    way = Way(signer=target.signer, public=True, reached=True)
    if (mixed := _mixed(target)) is not None:
        return mixed, way
    if credentials is None or cause is not None:
        return ok(CHECK, f"{where} answers; what is signed was not tried, as {cause} failed"), way
    now = target.clock()
    url = target.signer.url(
        "GET", f"{target.folder}/{uuid4().hex}", credentials=credentials, now=now, expires_at=now + _EXPIRES_IN
    )
    try:
        answer = of_response(await http.get(url))
    except httpx.HTTPError as error:
        mend = f"see what answers there; {_SETTING} says where browsers are sent"
        return failed(CHECK, f"{where} does not answer by HTTP ({type(error).__name__})", mend), otherwise
    refusal = _refusal(answer, where)
    if refusal is not None:
        return refusal, otherwise if target.has_own_public_address else replace(way, reached=False)
    return ok(CHECK, f"{where} takes what is signed for it"), way


def _mixed(target: Target) -> Finding | None:
    """https://www.w3.org/TR/mixed-content/: pages by TLS may send nothing without, but to their own machine."""
    endpoint = target.signer.endpoint
    pages = [origin for origin in target.origins if origin.startswith("https://")]
    host = endpoint.host.rpartition(":")[0] or endpoint.host
    if endpoint.scheme == "https" or not pages or host in _HERE:
        return None
    found = f"http://{endpoint.host} is closed to pages of {pages[0]}: browsers block mixed content"
    return failed(CHECK, found, f"set {_SETTING} to an https:// address of the store")


def _refusal(answer: Answer, where: str) -> Finding | None:
    # Without the right to list, S3 does not tell that an object is missing.
    if answer.code == "NoSuchKey" or (answer.status == _FORBIDDEN and answer.code == "AccessDenied"):
        return None
    found = f"{where} answers {answer} to what is signed for it"
    if answer.code == "SignatureDoesNotMatch":
        mend = f"let the proxy there pass Host and path on as they come, or set {_SETTING} to what it makes of them"
    elif answer.status == _MISSING and answer.code == "NoSuchBucket":
        mend = "check UPLOADSVC_S3__ADDRESSING_STYLE: the bucket is not where the URL says"
    else:
        mend = f"see what answers there; {_SETTING} has to be the store itself, or what passes all on to it"
    return failed(CHECK, found, mend)
