"""Queues of a LocalStack, which its S3 notifies."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import aioboto3
from tests.support.servers import S3Server

EVENTS: Final = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]


@dataclass(frozen=True, kw_only=True)
class Queues:
    """A bucket, the queue that it notifies, and the dead-letter queue.

    Attributes:
        sqs: A client.
        bucket: The bucket.
        url: URL of the queue.
        dead_url: URL of the dead-letter queue.
    """

    sqs: Any
    bucket: str
    url: str
    dead_url: str

    async def count(self, url: str) -> int:
        """Return the number of messages of a queue, whether visible or not."""
        kinds = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        found = await self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=kinds)
        return sum(int(found["Attributes"][kind]) for kind in kinds)

    async def emptied(self) -> None:
        """Wait until the queue has no message."""
        while await self.count(self.url) > 0:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.1)

    async def dead_letters(self) -> list[str]:
        """Return the bodies of the dead letters, which stay."""
        found: dict[str, str] = {}
        while len(found) < await self.count(self.dead_url):
            answer = await self.sqs.receive_message(
                QueueUrl=self.dead_url, MaxNumberOfMessages=10, VisibilityTimeout=60
            )
            found |= {message["MessageId"]: message["Body"] for message in answer["Messages"]}
        return list(found.values())


@asynccontextmanager
async def queues_of(server: S3Server) -> AsyncIterator[Queues]:
    """Make a bucket and its queues."""
    bucket = await server.create_bucket()
    session = aioboto3.Session(server.access_key_id, server.secret_access_key)
    sqs_client = session.client("sqs", endpoint_url=server.endpoint_url, region_name=server.region)
    async with server.client() as s3, sqs_client as sqs:

        async def arn(url: str) -> str:
            found = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
            return str(found["Attributes"]["QueueArn"])

        dead_url = (await sqs.create_queue(QueueName=f"dead-{uuid4().hex}"))["QueueUrl"]
        policy = {"deadLetterTargetArn": await arn(dead_url), "maxReceiveCount": 10}
        url = (
            await sqs.create_queue(QueueName=uuid4().hex, Attributes={"RedrivePolicy": json.dumps(policy)})
        )["QueueUrl"]
        target: Any = {"QueueArn": await arn(url), "Events": EVENTS}
        await s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [target]}
        )
        yield Queues(sqs=sqs, bucket=bucket, url=url, dead_url=dead_url)
