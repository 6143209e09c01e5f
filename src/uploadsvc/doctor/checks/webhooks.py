"""Receivers of events: whether they can be reached. No event is sent to them."""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Final

from uploadsvc.doctor.findings import Finding, failed, ok
from uploadsvc.doctor.network import obstacle
from uploadsvc.doctor.target import Target
from uploadsvc.domain.endpoints import BucketEndpoint

CHECK: Final = "webhook"

_SETTING: Final = "UPLOADSVC_EVENTS__WEBHOOKS"


def webhook_checks(target: Target) -> list[str]:
    """Return the names of the checks: one for each host."""
    return list(dict.fromkeys(map(_check, target.webhooks)))


async def webhook_findings(target: Target) -> list[Finding]:
    """Look up the name of each host, and connect to it."""
    endpoints = _unlike(target.webhooks)
    return list(await asyncio.gather(*(_finding(one, trust=target.webhook_trust) for one in endpoints)))


def _unlike(endpoints: Sequence[BucketEndpoint]) -> list[BucketEndpoint]:
    return list({_check(endpoint): endpoint for endpoint in endpoints}.values())


def _check(endpoint: BucketEndpoint) -> str:
    return f"{CHECK}:{endpoint.host}"


async def _finding(endpoint: BucketEndpoint, *, trust: ssl.SSLContext) -> Finding:
    check = _check(endpoint)
    blocked = await obstacle(
        endpoint, trust=trust, setting=_SETTING, server="the receiver", bundle="SSL_CERT_FILE"
    )
    if blocked is not None:
        return failed(check, blocked.found, blocked.fix)
    return ok(check, f"{endpoint.scheme}://{endpoint.host} answers; uploadsvc events test sends it an event")
