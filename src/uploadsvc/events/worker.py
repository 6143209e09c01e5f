"""The events worker: reads the queue and sends events to receivers."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.events import Event
from uploadsvc.domain.notifications import (
    MalformedNotificationError,
    Notification,
    parse_notifications,
)
from uploadsvc.domain.redelivery import ATTEMPTS, MAX_DELAY, MAX_INVISIBLE, pause, postponed
from uploadsvc.events.queue import AT_ONCE, Message, Queue, QueueError, QueueRefusedError
from uploadsvc.events.receivers import Outcome, Receiver, Receivers
from uploadsvc.events.resolver import EventResolver
from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.telemetry.records import RequestRecord
from uploadsvc.telemetry.tracing import Tracing
from uploadsvc.tokens.deliveries import Deliveries, Delivery, WrongDeliveryError

ROOM: Final = 64
"""Maximum number of messages in progress, besides those that wait for a receiver."""

ROOM_OF_RECEIVER: Final = 32
"""Maximum number of messages that wait for one receiver."""

HANDLING_SECONDS: Final = 30
"""Seconds to process a message. It stays invisible to other workers for longer (`VISIBILITY_SECONDS`)."""

DRAIN_SECONDS: Final = 22
"""Seconds to finish messages after the signal to stop."""

_LAST_SECONDS: Final = 3
"""Seconds to make the other messages visible again."""

_READ_SECONDS: Final = 30.0
"""Seconds without a successful read after which the queue counts as lagging. A poll of an empty queue takes
20.
"""

_LONGEST_BACKOFF: Final = 30
_COMPLAIN_AGAIN: Final = timedelta(minutes=1)
_log = structlog.get_logger("uploadsvc.events")


class Worker:
    """Reads the queue, and sends the events of its messages to receivers.

    A message is deleted only after each of its events was delivered or queued in a message of its own. So
    each event is delivered at least once. Any number of workers can share a queue.

    Args:
        queue: The queue, open.
        deliveries: Writes and reads messages of pending deliveries.
        resolver: Turns notifications into events.
        receivers: The receivers.
        clock: Returns the current time, aware.
        jitter: Returns a number from 0 to 1, at random.
        metrics: Counts attempts.
        unit: Length of a second of the schedule. Only tests shorten it.
        sleep: Waits for some seconds.
        tracing: Makes spans.
    """

    def __init__(
        self,
        *,
        queue: Queue,
        deliveries: Deliveries,
        resolver: EventResolver,
        receivers: Receivers,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
        metrics: Metrics,
        unit: float = 1,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        tracing: Tracing | None = None,
    ) -> None:
        self._tracing = tracing or Tracing()
        self._queue = queue
        self._deliveries = deliveries
        self._resolver = resolver
        self._receivers = receivers
        self._clock = clock
        self._jitter = jitter
        self._unit = unit
        self._sleep = sleep
        self._room = ROOM + ROOM_OF_RECEIVER * len(receivers)
        self._under_way: dict[asyncio.Task[None], Message] = {}
        self._freed = asyncio.Event()
        self._gone: set[str] = set()
        self._complained_at: datetime | None = None
        self._attempts = metrics.event_deliveries
        self._lag = 0.0
        self._received_at = clock()
        metrics.event_lag.follow(self._lag_seconds)

    def _lag_seconds(self) -> float:
        """Return how long S3's last message waited. Increases while the queue is not read."""
        unread = (self._clock() - self._received_at).total_seconds()
        return self._lag + max(0.0, unread - _READ_SECONDS)

    async def run(self, stopping: asyncio.Event) -> None:
        """Process messages until stopped. Then finish those in progress, and make the others visible again.

        Raises:
            QueueRefusedError: At the start, the queue does not exist or access is denied.
        """
        receiving = asyncio.create_task(self._receive_all())
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({receiving, stop}, return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                await receiving
        finally:
            stop.cancel()
            receiving.cancel()
            await asyncio.wait({receiving, stop})
            await self._drain()

    async def _receive_all(self) -> None:
        failures, checked = 0, False
        while True:
            try:
                if not checked:
                    await self._queue.check()
                    checked = True
                    self._log_start()
                await self._await_room()
                messages = await self._queue.receive()
            except QueueError as error:
                if not checked and isinstance(error, QueueRefusedError):
                    raise
                self._complain(error)
                failures += 1
                longest = min(2**failures, _LONGEST_BACKOFF)
                await self._sleep(longest * (1 + self._jitter()) / 2)
                continue
            failures = 0
            self._received_at = self._clock()
            if not messages:
                self._lag = 0.0
            for message in messages:
                task = asyncio.create_task(self._handle(message))
                self._under_way[task] = message
                task.add_done_callback(self._done)

    def _log_start(self) -> None:
        _log.info("worker_started", receivers=len(self._receivers))
        limit = self._queue.max_receive_count
        if limit is None:
            advice = "give the queue a dead-letter queue: uploadsvc bucket apply makes one"
            _log.warning("queue_without_dead_letters", advice=advice)
        elif limit < ATTEMPTS:
            advice = f"give the queue's redrive policy a maxReceiveCount of {ATTEMPTS + 2}"
            _log.warning("max_receive_count_too_low", max_receive_count=limit, advice=advice)

    async def _await_room(self) -> None:
        while self._room - len(self._under_way) < AT_ONCE:
            self._freed.clear()
            await self._freed.wait()

    def _done(self, task: "asyncio.Task[None]") -> None:
        del self._under_way[task]
        self._freed.set()

    async def _drain(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=DRAIN_SECONDS)
        left = dict(self._under_way)
        if left:
            _log.warning("messages_put_back", count=len(left))
            for task in left:
                task.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await asyncio.wait(left)
                    giving_back = [self._queue.put_back(message, seconds=0) for message in left.values()]
                    await asyncio.gather(*giving_back, return_exceptions=True)

    async def _handle(self, message: Message) -> None:
        record = RequestRecord()
        record.message_id = message.id
        with self._tracing.message(record):
            await self._handle_one(message)

    async def _handle_one(self, message: Message) -> None:
        try:
            await self._within_time(message)
        except QueueError as error:
            # SQS shows the message again once its visibility timeout is over.
            self._complain(error)
        except Exception:  # noqa: BLE001 - SQS shows the message again, and in the end moves it away
            _log.exception("message_failed", message_id=message.id)

    async def _within_time(self, message: Message) -> None:
        try:
            async with asyncio.timeout(HANDLING_SECONDS):
                await self._act_on(message)
        except TimeoutError:
            await self._try_again(message, reason="took too long")
        except UploadsvcError as error:
            await self._try_again(message, reason=error.detail)

    async def _act_on(self, message: Message) -> None:
        try:
            delivery = self._deliveries.decode(message.body)
            notifications = [] if delivery else parse_notifications(message.body)
        except (WrongDeliveryError, MalformedNotificationError) as error:
            if message.receive_count == 1:
                _log.warning("message_malformed", message_id=message.id, reason=str(error))
            await self._give_up(message)
            return
        if delivery:
            await self._deliver(message, delivery)
        else:
            await self._announce(message, notifications)

    async def _announce(self, message: Message, notifications: Iterable[Notification]) -> None:
        """Send the events of a message from S3."""
        if message.receive_count > ATTEMPTS:
            await self._give_up(message)
            return
        if message.receive_count == 1:
            self._lag = max(0.0, (self._clock() - message.sent_at).total_seconds())
        resolved = [await self._resolver.resolve(notification) for notification in notifications]
        first = [
            Delivery(receiver=receiver.id, event_id=event.id, body=body, attempt=1)
            for event, body in ((event, event.body()) for event in resolved if event)
            for receiver in self._wanting(event)
        ]
        outcomes = await asyncio.gather(*map(self._send, first))
        for delivery, outcome in zip(first, outcomes, strict=True):
            if outcome.state == "busy":
                await self._postpone(delivery)
            elif outcome.state == "failed":
                await self._remember(delivery, outcome)
        for event in resolved:
            if event:
                await self._resolver.settle(event)
        await self._queue.delete(message)

    def _wanting(self, event: Event) -> list[Receiver]:
        return [one for one in self._receivers.wanting(event) if one.id not in self._gone]

    async def _deliver(self, message: Message, delivery: Delivery) -> None:
        """Send an event to one receiver again."""
        attempt = delivery.attempt + message.receive_count - 1
        left = delivery.not_before - self._clock().timestamp()
        if attempt > ATTEMPTS:
            await self._give_up(message)
        elif left > 0:
            await self._queue.put_back(message, seconds=int(left) + 1)
        elif delivery.receiver in self._gone:
            await self._queue.delete(message)
        else:
            outcome = await self._send(delivery, attempt)
            if outcome.state == "failed":
                await self._try_again(message, attempt, retry_after=outcome.retry_after)
                return
            if outcome.state == "busy":
                await self._postpone(delivery, attempt)
            await self._queue.delete(message)

    async def _send(self, delivery: Delivery, attempt: int = 1) -> Outcome:
        """Send an event to its receiver, and log the outcome."""
        receiver = self._receivers.get(delivery.receiver)
        if receiver is None:
            # During a deployment, another worker's settings may still have it.
            outcome = Outcome(state="failed", reason="not in the settings of this worker")
        else:
            try:
                outcome = await receiver.send(delivery.event_id, delivery.body)
            except Exception:  # noqa: BLE001 - the other receivers get the event all the same
                _log.exception("receiver_failed", receiver=delivery.receiver)
                outcome = Outcome(state="failed", reason="internal error")
        self._count(delivery, outcome, attempt)
        if outcome.state == "gone" and delivery.receiver not in self._gone:
            self._gone.add(delivery.receiver)
            advice = "it gets no events until the restart; remove it from the settings"
            _log.warning("receiver_gone", receiver=delivery.receiver, reason=outcome.reason, advice=advice)
        return outcome

    def _count(self, delivery: Delivery, outcome: Outcome, attempt: int) -> None:
        event = json.loads(delivery.body)
        labels = self._receivers.label(delivery.receiver), str(event.get("type"))
        self._attempts.inc(*labels, outcome.state)
        if outcome.state == "failed" and attempt >= ATTEMPTS:
            self._attempts.inc(*labels, "given_up")
        _log_outcome(delivery, event, outcome, attempt)

    async def _remember(self, delivery: Delivery, outcome: Outcome) -> None:
        """Send a message for the second attempt of an event."""
        seconds = pause(1, jitter=self._jitter(), retry_after=outcome.retry_after, unit=self._unit) or 0
        # The maximum delay of SQS. The first receive then only makes the message invisible again.
        early = seconds > MAX_DELAY
        again = Delivery(
            receiver=delivery.receiver,
            event_id=delivery.event_id,
            body=delivery.body,
            attempt=1 if early else 2,
            not_before=int(self._clock().timestamp()) + seconds if early else 0,
        )
        await self._queue.send(self._deliveries.encode(again), seconds=min(seconds, MAX_DELAY))

    async def _postpone(self, delivery: Delivery, attempt: int = 1) -> None:
        """Send a message for the same attempt later."""
        times = delivery.postponed + 1
        again = Delivery(
            receiver=delivery.receiver,
            event_id=delivery.event_id,
            body=delivery.body,
            attempt=attempt,
            postponed=times,
        )
        seconds = postponed(times, jitter=self._jitter(), unit=self._unit)
        await self._queue.send(self._deliveries.encode(again), seconds=seconds)

    async def _try_again(
        self,
        message: Message,
        attempt: int | None = None,
        *,
        retry_after: float | None = None,
        reason: str | None = None,
    ) -> None:
        """Make a message visible when its next attempt is due, or give up."""
        if reason is not None:
            _log.warning(
                "message_retried", message_id=message.id, attempt=message.receive_count, reason=reason
            )
        seconds = pause(
            attempt or message.receive_count,
            jitter=self._jitter(),
            retry_after=retry_after,
            age=HANDLING_SECONDS,
            unit=self._unit,
        )
        if seconds is None:
            await self._give_up(message)
        else:
            await self._queue.put_back(message, seconds=seconds)

    async def _give_up(self, message: Message) -> None:
        """Leave a message to SQS, which moves it to the dead-letter queue after its next receives."""
        limit = self._queue.max_receive_count
        # SQS does not move it beyond the limit: the dead-letter queue was removed since the start.
        moved = limit is not None and message.receive_count <= limit
        await self._queue.put_back(message, seconds=0 if moved else MAX_INVISIBLE)

    def _complain(self, error: QueueError) -> None:
        now = self._clock()
        if self._complained_at is None or now - self._complained_at >= _COMPLAIN_AGAIN:
            self._complained_at = now
            _log.warning("queue_failed", problem=str(error))


def _log_outcome(delivery: Delivery, event: Mapping[str, Any], outcome: Outcome, attempt: int) -> None:
    facts = {
        "type": event.get("type"),
        "upload_id": event.get("data", {}).get("upload_id"),
        "event_id": delivery.event_id,
        "receiver": delivery.receiver,
        "attempt": attempt,
    }
    if outcome.state == "delivered":
        _log.info("event_delivered", **facts)
    elif outcome.state == "busy":
        _log.info("event_postponed", **facts, reason=outcome.reason)
    elif outcome.state == "failed":
        name = "event_given_up" if attempt >= ATTEMPTS else "event_failed"
        _log.warning(name, **facts, reason=outcome.reason)
