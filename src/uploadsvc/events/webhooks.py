"""Send events to HTTP endpoints."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from time import monotonic
from typing import Final

import aiohttp
from yarl import URL

from uploadsvc.events.connections import AddressRefusedError, Connections
from uploadsvc.events.receivers import Outcome
from uploadsvc.events.slots import Slots
from uploadsvc.telemetry.tracing import CallSpan, Tracing
from uploadsvc.tokens.webhook_signatures import WebhookSigner

ATTEMPT_SECONDS: Final = 15.0
"""Seconds for an attempt, from the DNS lookup to the response."""

MAX_RETRY_AFTER: Final = 12 * 3600
"""Maximum ``Retry-After`` of a receiver in seconds."""

_BODY_BYTES: Final = 64 * 1024
_BODY_SECONDS: Final = 1.0
_ERRORS: Final = (aiohttp.ClientError, OSError)


class Webhook:
    """An endpoint for events as Standard Webhooks.

    Attributes:
        id: Its id.
        types: Types of the events that it receives.
        policies: Policies of the events that it receives, or ``*``.

    Args:
        url: Its URL. Never part of the id or of outcomes, because even the path may be secret.
        receiver_id: Its id.
        signer: Signs events.
        connections: Connections to receivers.
        types: Types of the events that it receives.
        policies: Policies of the events that it receives, or ``*``.
        clock: Returns the current time, aware.
        timer: Monotonic seconds.
        tracing: Makes spans, and propagates the trace.

    Raises:
        ValueError: The URL is malformed.
    """

    def __init__(
        self,
        url: str,
        *,
        receiver_id: str,
        signer: WebhookSigner,
        connections: Connections,
        types: Sequence[str],
        policies: Sequence[str],
        clock: Callable[[], datetime],
        timer: Callable[[], float] = monotonic,
        tracing: Tracing | None = None,
    ) -> None:
        self.id = receiver_id
        self.types = types
        self.policies = policies
        self._signer = signer
        self._connections = connections
        self._clock = clock
        self._slots = Slots(timer)
        self._tracing = tracing or Tracing()
        try:
            self._url = URL(url)
        except ValueError:
            # Its message may quote the URL.
            message = "the url of a webhook is malformed"
            raise ValueError(message) from None
        self._headers = {
            "content-type": "application/json",
            "user-agent": f"uploadsvc/{version('uploadsvc')}",
        }

    async def send(self, event_id: str, body: bytes) -> Outcome:
        """Send an event once."""
        return await self._slots.within(lambda: self._attempt(event_id, body))

    async def _attempt(self, event_id: str, body: bytes) -> tuple[Outcome, bool]:
        attributes = {"http.request.method": "POST", "server.address": self._url.host or ""}
        with self._tracing.call("deliver event", attributes) as span:
            return await self._post(event_id, body, span)

    async def _post(self, event_id: str, body: bytes, span: CallSpan) -> tuple[Outcome, bool]:
        """Return the outcome, and whether the receiver responded or refused the connection."""
        now = self._clock()
        headers = {**self._headers, **self._signer.headers(event_id, body, now=now)}
        self._tracing.inject(headers)
        outcome: Outcome | None = None
        try:
            self._connections.check(self._url.host or "")
            async with (
                asyncio.timeout(ATTEMPT_SECONDS),
                self._connections.session.post(
                    self._url, data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                outcome = _outcome(response, now)
                span.answered(response.status)
                await _skip_body(response)
        except TimeoutError:
            span.failed("timeout")
            reason = f"no answer within {ATTEMPT_SECONDS:.0f} seconds"
            return outcome or Outcome(state="failed", reason=reason), outcome is not None
        except AddressRefusedError as error:
            span.failed("address_refused")
            reason = f"{error}; UPLOADSVC_EVENTS__ALLOW_PRIVATE_ADDRESSES allows private ones"
            return Outcome(state="failed", reason=reason), True
        except _ERRORS as error:
            span.failed(type(error).__name__)
            reason = f"no answer ({type(error).__name__})"
            return outcome or Outcome(state="failed", reason=reason), True
        return outcome, True


def _outcome(response: aiohttp.ClientResponse, now: datetime) -> Outcome:
    status = response.status
    if HTTPStatus(200) <= status < HTTPStatus(300):
        return Outcome(state="delivered")
    if status == HTTPStatus.GONE:
        return Outcome(state="gone", reason="answered 410")
    if HTTPStatus(300) <= status < HTTPStatus(400):
        return Outcome(state="failed", reason=f"answered {status}; redirects are not followed")
    wait = _retry_after(response.headers.get("Retry-After", ""), now)
    return Outcome(state="failed", reason=f"answered {status}", retry_after=wait)


def _retry_after(value: str, now: datetime) -> float | None:
    """Return the seconds to wait (RFC 9110 section 10.2.3)."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        # Longer numbers mean the maximum; Python refuses to parse very long ones.
        return float(min(int(value[:9]), MAX_RETRY_AFTER))
    try:
        time = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    seconds = (time.replace(tzinfo=time.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


async def _skip_body(response: aiohttp.ClientResponse) -> None:
    """Read a short body, so that the connection can be reused. Longer ones are cut off."""
    read = 0
    with suppress(TimeoutError, *_ERRORS):
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in response.content.iter_any():
                read += len(chunk)
                if read > _BODY_BYTES:
                    return
