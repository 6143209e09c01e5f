"""Sources of events in the serving process: pushed notifications and completed uploads."""

import random
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog

from uploadsvc.bootstrap.events import build_receivers
from uploadsvc.bootstrap.services import Services
from uploadsvc.bootstrap.worker import open_sqs
from uploadsvc.events.completions import CompletionEvents
from uploadsvc.events.dispatcher import Dispatcher
from uploadsvc.events.push import DirectTarget, Push, QueueTarget
from uploadsvc.events.queue import SqsQueue
from uploadsvc.events.receivers import Receiver, Receivers
from uploadsvc.settings import Settings

_log = structlog.get_logger("uploadsvc.events")


class EventSources:
    """Sources of events. Open them after `Services.open`.

    Attributes:
        push: Takes pushed notifications; ``None`` if that is off.

    Args:
        push: Takes pushed notifications.
        queue: The queue that it writes to.
        receivers: Receivers of events without a queue.
        completions: Sends the events of completed uploads.
        only_completions: Whether webhooks get no other events, which is logged as a warning.
    """

    def __init__(
        self,
        *,
        push: Push | None = None,
        queue: SqsQueue | None = None,
        receivers: Receivers | None = None,
        completions: CompletionEvents | None = None,
        only_completions: bool = False,
    ) -> None:
        self.push = push
        self._queue = queue
        self._receivers = receivers
        self._completions = completions
        self._only_completions = only_completions

    async def finish(self) -> None:
        """Wait until all pending events are sent or given up."""
        if self._completions is not None:
            await self._completions.finish()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Open the sources. At the end, send the pending events."""
        async with AsyncExitStack() as stack:
            if self._queue is not None:
                await stack.enter_async_context(self._queue)
            if self._receivers is not None:
                await stack.enter_async_context(self._receivers.open())
            if self._completions is not None:
                await stack.enter_async_context(self._completions.open())
                if self._only_completions:
                    _log.warning(
                        "events_without_queue",
                        meaning="only completed uploads have events, and pending ones are lost at exit",
                    )
            yield


def build_sources(settings: Settings, services: Services, *, others: Iterable[Receiver] = ()) -> EventSources:
    """Build the sources, and subscribe them to completed uploads.

    With a queue, S3 or `Push` fills it, and the worker delivers. Without one, this process delivers events of
    pushed notifications and of completed uploads. It does both, because not every store repeats a
    notification that was not delivered. Both events have the same id, so receivers can drop one.

    Args:
        settings: The settings.
        services: The services.
        others: More receivers.

    Raises:
        SettingsError: A setting of a receiver is wrong.
    """
    section = settings.events
    secret = section.push_secret and section.push_secret.get_secret_value()
    receivers = build_receivers(settings, services, others=others)
    if section.queue_url:
        if not secret:
            return EventSources()
        queue = SqsQueue(section.queue_url, partial(open_sqs, settings, services))
        return EventSources(push=Push(secret, QueueTarget(queue)), queue=queue)
    if not receivers and not secret:
        return EventSources()
    dispatcher = Dispatcher(receivers, services.metrics)
    completions = None
    if receivers:
        completions = CompletionEvents(
            resolver=services.resolver,
            dispatcher=dispatcher,
            jitter=random.random,
            metrics=services.metrics,
        )
        services.uploads.tell(completions)
    push = Push(secret, DirectTarget(services.resolver, dispatcher)) if secret else None
    return EventSources(
        push=push,
        receivers=receivers,
        completions=completions,
        only_completions=push is None and bool(section.webhooks),
    )
