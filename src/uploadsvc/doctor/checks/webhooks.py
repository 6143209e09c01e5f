"""Receivers of events: whether they can be reached. No event is sent to them."""

import asyncio
from collections.abc import Sequence
from typing import Final

from uploadsvc.doctor.findings import Finding, failed, ok
from uploadsvc.doctor.network import STEP_TIMEOUT, address, obstacle
from uploadsvc.doctor.target import Target
from uploadsvc.domain.addresses import may_connect
from uploadsvc.domain.endpoints import BucketEndpoint
from uploadsvc.events.connections import resolve

CHECK: Final = "webhook"

_SETTING: Final = "UPLOADSVC_EVENTS__WEBHOOKS"
_PUBLIC: Final = (
    "give the receiver a public address; if it is meant to be in a private network, set "
    "UPLOADSVC_EVENTS__ALLOW_PRIVATE_ADDRESSES=true"
)


def webhook_checks(target: Target) -> list[str]:
    """Return the names of the checks: one for each host."""
    return list(dict.fromkeys(map(_check, target.webhooks)))


async def webhook_findings(target: Target) -> list[Finding]:
    """Look up the name of each host, and connect to it."""
    return list(await asyncio.gather(*(_finding(target, one) for one in _unlike(target.webhooks))))


def _unlike(endpoints: Sequence[BucketEndpoint]) -> list[BucketEndpoint]:
    return list({_check(endpoint): endpoint for endpoint in endpoints}.values())


def _check(endpoint: BucketEndpoint) -> str:
    return f"{CHECK}:{endpoint.host}"


async def _finding(target: Target, endpoint: BucketEndpoint) -> Finding:
    check = _check(endpoint)
    if await _is_refused(endpoint, private=target.private_webhooks):
        found = f"{endpoint.host} has an address that is not public, to which no event is sent"
        return failed(check, found, _PUBLIC)
    blocked = await obstacle(
        endpoint,
        trust=target.webhook_trust,
        setting=_SETTING,
        server="the receiver",
        bundle="SSL_CERT_FILE",
    )
    if blocked is not None:
        return failed(check, blocked.found, blocked.fix)
    return ok(check, f"{endpoint.scheme}://{endpoint.host} answers; uploadsvc events test sends it an event")


async def _is_refused(endpoint: BucketEndpoint, *, private: bool) -> bool:
    try:
        async with asyncio.timeout(STEP_TIMEOUT):
            found = await resolve(*address(endpoint))
    except (TimeoutError, OSError, UnicodeError):
        # `obstacle` says so.
        return False
    return not all(may_connect(each, private=private) for each in found)
