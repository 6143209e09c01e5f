"""Check that webhook hosts accept connections and, on request, that receivers accept an event."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final
from uuid import uuid4

from uploadsvc.doctor.findings import Finding, failed, ok
from uploadsvc.doctor.network import STEP_TIMEOUT, address, obstacle
from uploadsvc.doctor.target import Target
from uploadsvc.domain.addresses import may_connect
from uploadsvc.domain.endpoints import BucketEndpoint
from uploadsvc.events.connections import resolve
from uploadsvc.events.receivers import Receiver
from uploadsvc.events.samples import sample_event

CHECK: Final = "webhook"
DELIVERY: Final = "delivery"

_SETTING: Final = "UPLOADSVC_EVENTS__WEBHOOKS"
_TAKE: Final = "find the cause in the receiver's log; it must answer 2xx within 15 seconds"
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


def delivery_checks(target: Target) -> list[str]:
    """Return the names of the checks: one for each receiver, if receivers are sent a sample."""
    return [_delivery(receiver) for receiver in target.receivers or ()]


async def delivery_findings(target: Target) -> list[Finding]:
    """Send every receiver a sample event, while the storage is open."""
    if target.receivers is None:
        return []
    async with target.receivers.open():
        return list(await asyncio.gather(*(_sent(target, one) for one in target.receivers)))


def _delivery(receiver: Receiver) -> str:
    return f"{DELIVERY}:{receiver.id}"


async def _sent(target: Target, receiver: Receiver) -> Finding:
    event, began = sample_event(uuid4().hex, now=target.clock()), time.monotonic()
    outcome = await receiver.send(event.id, event.body())
    if outcome.state == "delivered":
        return ok(_delivery(receiver), f"took a sample event after {time.monotonic() - began:.1f} s")
    found = f"did not take a sample event: {outcome.reason or outcome.state}"
    return failed(_delivery(receiver), found, _TAKE)


async def _is_refused(endpoint: BucketEndpoint, *, private: bool) -> bool:
    try:
        async with asyncio.timeout(STEP_TIMEOUT):
            found = await resolve(*address(endpoint))
    except (TimeoutError, OSError, UnicodeError):
        # `obstacle` says so.
        return False
    return not all(may_connect(each, private=private) for each in found)
