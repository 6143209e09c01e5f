"""The calls of SQS that the worker makes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from uploadsvc.domain.redelivery import MAX_INVISIBLE
from uploadsvc.events.queue import Message, SqsQueue

LOST_SECONDS = 30
"""Seconds that a message was under way before it is put back."""

REFUSED = '{"key":"a\ufffeb\uffffc\ufffdé"}'
"""JSON with characters that SQS refuses, and others."""


class Client:
    """A client of SQS that remembers how long messages shall be invisible."""

    def __init__(self) -> None:
        self.timeouts: list[int] = []
        self.bodies: list[str] = []

    async def change_message_visibility(self, **call: Any) -> None:  # noqa: ANN401 - as botocore's
        """Remember the call."""
        self.timeouts.append(call["VisibilityTimeout"])

    async def send_message(self, **call: Any) -> None:  # noqa: ANN401 - as botocore's
        """Remember the body."""
        self.bodies.append(call["MessageBody"])

    async def get_queue_attributes(self, **call: Any) -> dict[str, Any]:  # noqa: ANN401 - as botocore's
        """Return the attributes that were asked for, as text."""
        held = {"": "2", "NotVisible": "30", "Delayed": "400"}
        attributes = {f"ApproximateNumberOfMessages{kind}": count for kind, count in held.items()}
        return {"Attributes": {name: attributes[name] for name in call["AttributeNames"]}}


def queue_of(client: Client) -> SqsQueue:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Client]:
        yield client

    return SqsQueue("https://sqs.test/queue", opened)


@pytest.mark.parametrize("seconds", [0, 5, MAX_INVISIBLE - 1, MAX_INVISIBLE, 2 * MAX_INVISIBLE])
async def test_a_message_is_invisible_for_no_longer_than_sqs_allows_since_its_receipt(seconds: int) -> None:
    """SQS refuses more, and shows the message again after a minute, over and over."""
    client = Client()
    message = Message(id="1", handle="h", body="", receive_count=1, sent_at=datetime.now(UTC))
    async with queue_of(client) as queue:
        await queue.put_back(message, seconds=seconds)
    (timeout,) = client.timeouts
    if seconds < MAX_INVISIBLE - 1:
        assert timeout == seconds
    else:
        assert 2 * LOST_SECONDS >= MAX_INVISIBLE - timeout >= LOST_SECONDS


async def test_sqs_gets_no_characters_that_it_refuses() -> None:
    """Ceph and SeaweedFS write keys as they are, and a user can put any character there."""
    client = Client()
    async with queue_of(client) as queue:
        await queue.send(REFUSED, seconds=0)
    (body,) = client.bodies
    assert not {"\ufffe", "\uffff"} & set(body)
    assert json.loads(body) == json.loads(REFUSED)


async def test_messages_that_fail_count_in_the_depth() -> None:
    """SQS keeps them invisible until their next attempt, so a queue that is stuck would look empty."""
    async with queue_of(Client()) as queue:
        assert await queue.depth() == 432
