"""Events that are sent to queues and topics of AWS."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from uploadsvc.events.aws_targets import AwsTarget, QueueTarget, TopicTarget
from uploadsvc.events.receivers import Outcome

QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/app"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:app"
BODY = '{"type":"upload.completed","data":{"key":"é"}}'
REFUSED = '{"type":"upload.completed","data":{"key":"a\uffff\ufffe"}}'
"""JSON with characters that SQS refuses."""


class Client:
    """A client of SQS and SNS that remembers its calls."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.calls: list[dict[str, Any]] = []
        self.failure = failure

    async def send_message(self, **call: Any) -> None:  # noqa: ANN401 - as botocore's
        """Remember a message of SQS."""
        self.calls.append(call)
        if self.failure:
            raise self.failure

    async def publish(self, **call: Any) -> None:  # noqa: ANN401 - as botocore's
        """Remember a message of SNS."""
        await self.send_message(**call)


async def sent(kind: type[AwsTarget], target: str, client: Client, body: str = BODY) -> Outcome:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Client]:
        yield client

    receiver = kind(target, receiver_id="app", types=["*"], policies=["*"], client=opened)
    async with receiver.open():
        return await receiver.send("evt_1", body.encode())


@pytest.mark.parametrize(
    ("kind", "target", "message"),
    [
        (QueueTarget, QUEUE, {"QueueUrl": QUEUE, "MessageBody": BODY}),
        (TopicTarget, TOPIC, {"TopicArn": TOPIC, "Message": BODY}),
    ],
)
@pytest.mark.parametrize("fifo", ["", ".fifo"])
async def test_a_message_is_the_body_as_it_is(
    kind: type[AwsTarget], target: str, message: dict[str, str], fifo: str
) -> None:
    client = Client()
    assert (await sent(kind, target + fifo, client)).state == "delivered"
    (call,) = client.calls
    attributes = {name: found["StringValue"] for name, found in call.pop("MessageAttributes").items()}
    assert attributes == {"webhook-id": "evt_1", "type": "upload.completed"}
    expected = {name: value + fifo if value == target else value for name, value in message.items()}
    if fifo:
        expected |= {"MessageGroupId": "evt_1", "MessageDeduplicationId": "evt_1"}
    assert call == expected


async def test_sqs_gets_no_characters_that_it_refuses() -> None:
    client = Client()
    await sent(QueueTarget, QUEUE, client, REFUSED)
    body = client.calls[0]["MessageBody"]
    assert not {"\ufffe", "\uffff"} & set(body)
    assert json.loads(body) == json.loads(REFUSED)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "s3cret"}}, "x"),
            "refused (AccessDenied)",
        ),
        (EndpointConnectionError(endpoint_url="s3cret"), "no answer (EndpointConnectionError)"),
        (TimeoutError(), "no answer"),
    ],
)
async def test_failures_say_why_without_secrets(failure: Exception, reason: str) -> None:
    outcome = await sent(QueueTarget, QUEUE, Client(failure))
    assert outcome == Outcome(state="failed", reason=reason)
