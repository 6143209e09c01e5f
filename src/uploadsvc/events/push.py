"""Receive notifications that stores push."""

import asyncio
import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Protocol

import structlog

from uploadsvc.domain.errors import EventsNotDelivered, Unauthenticated, UploadsvcError, ValidationFailed
from uploadsvc.domain.notifications import (
    MalformedNotificationError,
    Notification,
    parse_notifications,
)
from uploadsvc.events.dispatcher import Dispatcher
from uploadsvc.events.queue import Queue, QueueError
from uploadsvc.events.resolver import EventResolver

DEADLINE: Final = 10.0
"""Seconds to deliver the events of one request. Stores time out soon after."""

RETRY_AFTER: Final = 10
_AT_ONCE: Final = 16
_log = structlog.get_logger("uploadsvc.events")


class Target(Protocol):
    """Target of pushed notifications."""

    async def take(self, body: str, notifications: Sequence[Notification]) -> None:
        """Deliver or queue them all.

        Args:
            body: The body of the request.
            notifications: The parsed notifications.

        Raises:
            EventsNotDelivered: Not all could be delivered or queued. The store has to send them again.
        """
        ...


class Push:
    """Receives pushed notifications.

    Args:
        secret: The secret that stores send.
        target: Gets the notifications.
    """

    def __init__(self, secret: str, target: Target) -> None:
        self._digest = sha256(secret.encode()).digest()
        self._target = target

    def check(self, authorization: Sequence[str]) -> None:
        """Check the credential of a request.

        Args:
            authorization: All ``Authorization`` headers, decoded by ASGI. Older releases of MinIO send the
                secret without ``Bearer``.

        Raises:
            Unauthenticated: There is not exactly one, or the secret is wrong.
        """
        if len(authorization) != 1:
            detail = "Send the secret as 'Authorization: Bearer …', once."
            raise Unauthenticated(detail, reason="repeated" if authorization else "no_credential")
        scheme, _, token = authorization[0].strip().partition(" ")
        secret = token.strip() if scheme.lower() == "bearer" else authorization[0].strip()
        if not hmac.compare_digest(sha256(secret.encode("latin-1", "replace")).digest(), self._digest):
            detail = "The token is not UPLOADSVC_EVENTS__PUSH_SECRET."
            raise Unauthenticated(detail, reason="push_secret")

    async def take(self, body: bytes) -> None:
        """Deliver or queue the notifications in a body.

        Raises:
            ValidationFailed: The body is not a notification.
            EventsNotDelivered: The store has to send it again.
        """
        try:
            notifications = parse_notifications(body)
        except MalformedNotificationError as error:
            detail = f"The body is not a notification: {error}."
            raise ValidationFailed(detail, field="body") from None
        if notifications:
            await self._target.take(body.decode(), notifications)


class QueueTarget:
    """Puts notifications into the queue, for a worker to read.

    Args:
        queue: The queue.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def take(self, body: str, notifications: Sequence[Notification]) -> None:
        """Queue the body."""
        del notifications
        try:
            await self._queue.send(body, seconds=0)
        except QueueError as error:
            _log.warning("notification_not_queued", reason=str(error))
            raise _not_delivered() from None


class DirectTarget:
    """Sends the events of notifications to their receivers immediately.

    Args:
        resolver: Turns notifications into events.
        dispatcher: Sends events.
    """

    def __init__(self, resolver: EventResolver, dispatcher: Dispatcher) -> None:
        self._resolver = resolver
        self._dispatcher = dispatcher

    async def take(self, body: str, notifications: Sequence[Notification]) -> None:
        """Deliver the events."""
        del body
        try:
            async with asyncio.timeout(DEADLINE):
                for start in range(0, len(notifications), _AT_ONCE):
                    some = notifications[start : start + _AT_ONCE]
                    done = await asyncio.gather(*map(self._deliver, some), return_exceptions=True)
                    for failure in done:
                        if isinstance(failure, BaseException):
                            raise failure
        except TimeoutError:
            _log.warning("notification_not_delivered", reason="took too long")
            raise _not_delivered() from None
        except EventsNotDelivered:
            raise
        except UploadsvcError as error:
            _log.warning("notification_not_delivered", reason=error.detail)
            raise _not_delivered() from None

    async def _deliver(self, notification: Notification) -> None:
        event = await self._resolver.resolve(notification)
        if event is None:
            return
        body = event.body()
        sending = [
            self._dispatcher.send(receiver, event, body, attempt=1)
            for receiver in self._dispatcher.wanting(event)
        ]
        if any(outcome.state in {"failed", "busy"} for outcome in await asyncio.gather(*sending)):
            raise _not_delivered()
        await self._resolver.settle(event)


def _not_delivered() -> EventsNotDelivered:
    detail = "Not all events could be delivered; send the notification again."
    return EventsNotDelivered(detail, retry_after=RETRY_AFTER)
