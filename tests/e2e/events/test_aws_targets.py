"""Events that go to LocalStack's queues and topics, and notifications that are pushed into its queue."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aioboto3
from tests.support.servers import S3Server
from tests.support.service import service_client, settings_for

from uploadsvc.bootstrap.events import build_receivers
from uploadsvc.bootstrap.services import build_services, utc_now
from uploadsvc.events.samples import sample_event, send_sample
from uploadsvc.settings import Settings

PUSH_SECRET = "a secret of stores that push, 32 bytes"


@asynccontextmanager
async def client_of(server: S3Server, service: str) -> AsyncIterator[Any]:
    session = aioboto3.Session(server.access_key_id, server.secret_access_key)
    async with session.client(service, endpoint_url=server.endpoint_url, region_name=server.region) as client:
        yield client


async def received(sqs: Any, url: str) -> dict[str, Any]:  # noqa: ANN401 - aiobotocore's
    """Wait for the one message of a queue."""
    (message,) = (await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, MessageAttributeNames=["All"]))[
        "Messages"
    ]
    found: dict[str, Any] = message
    return found


async def test_queues_and_topics_get_the_body_and_its_attributes(localstack: S3Server) -> None:
    async with client_of(localstack, "sqs") as sqs, client_of(localstack, "sns") as sns:
        direct = (await sqs.create_queue(QueueName=uuid4().hex))["QueueUrl"]
        behind = (await sqs.create_queue(QueueName=uuid4().hex))["QueueUrl"]
        found = await sqs.get_queue_attributes(QueueUrl=behind, AttributeNames=["QueueArn"])
        topic = (await sns.create_topic(Name=uuid4().hex))["TopicArn"]
        await sns.subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=found["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )
        missing = f"{direct}-missing"
        webhooks = [{"queue_url": direct}, {"topic_arn": topic}, {"queue_url": missing}]
        events = {"webhooks": webhooks, "endpoint_url": localstack.endpoint_url}
        settings = Settings.model_validate(settings_for(localstack, events=events))
        services = build_services(settings)
        receivers = build_receivers(settings, services)
        event = sample_event("1", now=utc_now())
        async with services.open(), receivers.open():
            outcomes = [outcome for _, outcome in await send_sample(receivers, event)]
        assert [outcome.state for outcome in outcomes] == ["delivered", "delivered", "failed"]
        assert "NonExistentQueue" in outcomes[2].reason or "DoesNotExist" in outcomes[2].reason
        for url in (direct, behind):
            message = await received(sqs, url)
            assert message["Body"].encode() == event.body()
            attributes = {name: one["StringValue"] for name, one in message["MessageAttributes"].items()}
            assert attributes == {"webhook-id": "evt_test_1", "type": "upload.completed"}


async def test_what_a_store_pushes_is_in_the_queue_before_the_answer(localstack: S3Server) -> None:
    pushed = {"Records": [{"eventName": "s3:ObjectRemoved:Delete"}]}
    pushed["Records"][0]["s3"] = {"bucket": {"name": localstack.bucket}, "object": {"key": "uploads/ann/é"}}  # type: ignore[assignment] # JSON
    async with client_of(localstack, "sqs") as sqs:
        url = (await sqs.create_queue(QueueName=uuid4().hex))["QueueUrl"]
        events = {"queue_url": url, "endpoint_url": localstack.endpoint_url, "push_secret": PUSH_SECRET}
        async with service_client(settings_for(localstack, events=events), user=None) as client:
            answer = await client.post("/events/s3", json=pushed, headers={"Authorization": PUSH_SECRET})
        assert answer.status_code == 204
        assert json.loads((await received(sqs, url))["Body"]) == pushed
