"""Send the events of completed uploads from the process that completes them."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from uploadsvc.domain.errors import VerificationFailed
from uploadsvc.domain.events import Event
from uploadsvc.domain.objects import StoredObject
from uploadsvc.events.dispatcher import Dispatcher, facts_of
from uploadsvc.events.receivers import Receiver
from uploadsvc.events.resolver import EventResolver
from uploadsvc.services.verification import Completion
from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.tokens.signed_ids import UploadClaims

WAITING: Final = 1000
"""Maximum number of pending events per receiver."""

PAUSES: Final = (5, 300, 1800)
"""Seconds between attempts."""

DRAIN_SECONDS: Final = 10.0
"""Seconds at the end for a last attempt with the pending events."""

_BUSY_SECONDS: Final = 5
_log = structlog.get_logger("uploadsvc.events")


class CompletionEvents:
    """Sends the events of completions in the background. Pending events are lost when the process ends.

    Args:
        resolver: Makes events.
        dispatcher: Sends events.
        jitter: Returns a number from 0 to 1, at random.
        metrics: Records the number of pending events, and how long they wait.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        *,
        resolver: EventResolver,
        dispatcher: Dispatcher,
        jitter: Callable[[], float],
        metrics: Metrics,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._resolver = resolver
        self._dispatcher = dispatcher
        self._jitter = jitter
        self._sleep = sleep
        self._waiting = Counter[str]()
        self._under_way: dict[tuple[str, str], float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._lost = 0
        metrics.event_lag.follow(self._lag)
        metrics.event_queue_depth.follow(lambda: len(self._under_way), "main")

    def _lag(self) -> float:
        """Return the age of the oldest pending event in seconds."""
        return time.monotonic() - min(self._under_way.values()) if self._under_way else 0.0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Send events. At the end, try the pending ones once more."""
        self._closing.clear()
        self._lost = 0
        try:
            yield
        finally:
            await self._drain()

    def completed(self, claims: UploadClaims, done: Completion, *, user: str) -> None:
        """Send the event of a verified upload."""
        self._announce(self._resolver.completed(claims, done, user=user))

    def rejected(
        self, claims: UploadClaims, stored: StoredObject, reason: VerificationFailed, *, user: str
    ) -> None:
        """Send the event of a rejected upload."""
        self._announce(self._resolver.rejected(claims, stored, reason, user=user))

    def _announce(self, event: Event) -> None:
        receivers = self._dispatcher.wanting(event)
        body = event.body() if receivers else b""
        for receiver in receivers:
            # An upload that is completed repeatedly must not take the place of others.
            if (receiver.id, event.id) in self._under_way:
                continue
            if self._waiting[receiver.id] >= WAITING:
                self._dispatcher.count(receiver, event, "given_up")
                _log.error("event_lost", **facts_of(event, receiver), reason=f"{WAITING} others wait")
                continue
            self._waiting[receiver.id] += 1
            self._under_way[receiver.id, event.id] = time.monotonic()
            task = asyncio.create_task(self._deliver(receiver, event, body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, receiver: Receiver, event: Event, body: bytes) -> None:
        try:
            attempt = 1
            while True:
                last = self._closing.is_set()
                outcome = await self._dispatcher.send(receiver, event, body, attempt=attempt)
                if outcome.state in {"delivered", "gone"}:
                    return
                if last or attempt > len(PAUSES):
                    break
                seconds: float = _BUSY_SECONDS
                if outcome.state == "failed":
                    seconds = max(PAUSES[attempt - 1], outcome.retry_after or 0)
                    attempt += 1
                await self._pause(seconds * (1 + self._jitter() / 10))
            self._lost += 1
            self._dispatcher.count(receiver, event, "given_up")
            _log.error("event_lost", **facts_of(event, receiver), reason=outcome.reason)
        finally:
            self._waiting[receiver.id] -= 1
            self._under_way.pop((receiver.id, event.id), None)

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the process is about to end."""
        closing = asyncio.ensure_future(self._closing.wait())
        over = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait({closing, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()
            over.cancel()

    async def finish(self) -> None:
        """Wait until no event is pending."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _drain(self) -> None:
        self._closing.set()
        left = set(self._tasks)
        if left:
            _, left = await asyncio.wait(left, timeout=DRAIN_SECONDS)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        if lost := self._lost + len(left):
            _log.error("events_lost", count=lost)
