"""The queue and its worker."""

import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from uploadsvc.bootstrap.events import open_aws_client
from uploadsvc.bootstrap.secrets import secret_keys
from uploadsvc.bootstrap.services import Services
from uploadsvc.domain.queue_addresses import queue_region
from uploadsvc.events.queue import SqsQueue
from uploadsvc.events.receivers import Receivers
from uploadsvc.events.worker import Worker
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.tokens.deliveries import Deliveries


def queue_url(settings: Settings) -> str:
    """Return the URL of the queue that S3 notifies.

    Raises:
        SettingsError: None is set.
    """
    if settings.events.queue_url is None:
        message = "missing; the URL of the SQS queue that S3 notifies"
        raise SettingsError(("events", "queue_url"), message)
    return settings.events.queue_url


def open_sqs(settings: Settings, services: Services) -> AbstractAsyncContextManager[Any]:
    """Return a context manager for a client of SQS, to enter after `Services.open`.

    Raises:
        SettingsError: No queue is set.
    """
    return open_aws_client(settings, services, service="sqs", region=queue_region(queue_url(settings)))


@asynccontextmanager
async def open_queue(settings: Settings, services: Services) -> AsyncIterator[SqsQueue]:
    """Open the queue, and close it at the end. Enter it after `Services.open`.

    Raises:
        SettingsError: None is set, or AWS's own configuration is broken.
    """
    async with SqsQueue(queue_url(settings), partial(open_sqs, settings, services)) as queue:
        yield queue


def build_worker(
    settings: Settings, services: Services, *, queue: SqsQueue, receivers: Receivers, unit: float = 1
) -> Worker:
    """Build the worker.

    Args:
        settings: The settings.
        services: The services, open.
        queue: The queue, open.
        receivers: The receivers, open.
        unit: Length of a second of the schedule. Only tests shorten it.
    """
    return Worker(
        queue=queue,
        deliveries=Deliveries(secret_keys(settings)),
        resolver=services.resolver,
        receivers=receivers,
        clock=services.clock,
        jitter=random.random,
        metrics=services.metrics,
        unit=unit,
        tracing=services.tracing,
    )
