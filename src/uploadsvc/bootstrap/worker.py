"""The queue, and the worker that reads it."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final

from uploadsvc.bootstrap.secrets import secret_keys
from uploadsvc.bootstrap.services import Services
from uploadsvc.domain.errors import StorageMisconfigured
from uploadsvc.domain.queues import queue_region
from uploadsvc.events.queue import SqsQueue
from uploadsvc.events.receivers import Receivers
from uploadsvc.events.worker import Worker
from uploadsvc.s3.sessions import ChainClients
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.tokens.deliveries import Deliveries

_CONNECTIONS: Final = 64


def queue_url(settings: Settings) -> str:
    """Return the URL of the queue that S3 notifies.

    Raises:
        SettingsError: None is set.
    """
    if settings.events.queue_url is None:
        message = "missing; the URL of the SQS queue that S3 notifies"
        raise SettingsError(("events", "queue_url"), message)
    return settings.events.queue_url


@asynccontextmanager
async def open_sqs(settings: Settings, services: Services) -> AsyncIterator[Any]:
    """Open a client of SQS, and close it at the end.

    The fixed access key of another store than AWS's is not for AWS's queues, which need the AWS chain's
    credentials. Enter it after `Services.open`.

    Raises:
        SettingsError: AWS's own configuration is broken.
    """
    s3, url = settings.s3, queue_url(settings)
    async with AsyncExitStack() as stack:
        client_of = services.storage.client_of
        if s3.credentials and s3.endpoint_url and not settings.events.endpoint_url:
            try:
                chain = ChainClients(region=s3.signing_region, clock=services.clock)
            except StorageMisconfigured as error:
                raise SettingsError(("events", "queue_url"), error.detail) from None
            client_of = (await stack.enter_async_context(chain)).client_of
        yield await stack.enter_async_context(
            client_of(
                "sqs",
                connections=_CONNECTIONS,
                region_name=queue_region(url) or s3.signing_region,
                endpoint_url=settings.events.endpoint_url,
            )
        )


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
    """Return the worker.

    Args:
        settings: The settings.
        services: The services, open.
        queue: The queue, open.
        receivers: The receivers, open.
        unit: Length of the schedule's seconds. Only tests shorten it.
    """
    return Worker(
        queue=queue,
        deliveries=Deliveries(secret_keys(settings)),
        resolver=services.resolver,
        receivers=receivers,
        clock=services.clock,
        jitter=random.random,
        unit=unit,
    )
