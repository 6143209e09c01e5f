"""SQS beside the S3 of LocalStack and moto."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import aioboto3
from tests.support.servers import S3Server

from uploadsvc.domain.queue_addresses import Queue, queue_at
from uploadsvc.provisioning.models import QueueClients

ACCOUNTS: Final = {"localstack": "000000000000", "moto": "123456789012"}


def new_queue(server: S3Server) -> Queue:
    """Name a queue that is not there."""
    account = ACCOUNTS[server.name]
    return queue_at(f"{server.endpoint_url}/{account}/events-{uuid4().hex}", region=server.region)


def events_of(server: S3Server, queue: Queue) -> dict[str, Any]:
    """Return the settings of events for a queue."""
    return {"queue_url": queue.url, "endpoint_url": server.endpoint_url}


@asynccontextmanager
async def queue_clients(server: S3Server) -> AsyncIterator[QueueClients]:
    """Open clients of SQS and STS, as independent witnesses."""
    session = aioboto3.Session()
    at: dict[str, Any] = {
        "endpoint_url": server.endpoint_url,
        "aws_access_key_id": server.access_key_id,
        "aws_secret_access_key": server.secret_access_key,
        "region_name": server.region,
    }
    async with session.client("sqs", **at) as sqs, session.client("sts", **at) as sts:
        yield QueueClients(sqs=sqs, sts=sts if server.name == "moto" else None)


async def attributes(server: S3Server, queue: Queue) -> dict[str, str]:
    """Return a queue's attributes."""
    async with queue_clients(server) as clients:
        answer = await clients.sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])
    return dict(answer["Attributes"])
