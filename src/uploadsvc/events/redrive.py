"""Move dead letters back into the queue."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from botocore.exceptions import ClientError

from uploadsvc.events.queue import AT_ONCE, VISIBILITY_SECONDS, queue_errors

_UNKNOWN: Final = frozenset(
    {
        "AWS.SimpleQueueService.UnsupportedOperation",
        "UnsupportedOperation",
        "InvalidAction",
        "UnknownOperation",
    }
)
"""Codes of stores without move tasks."""

_LOOK_AGAIN_SECONDS: Final = 0.5
_RUNNING: Final = frozenset({"CREATED", "RUNNING"})


async def redrive(
    client: Any,  # noqa: ANN401 - a client of SQS
    *,
    queue_url: str,
    dead_letter_arn: str,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> int:
    """Move all dead letters back into the queue, where they count as new; return their number.

    Args:
        client: A client of SQS.
        queue_url: URL of the queue.
        dead_letter_arn: ARN of its dead-letter queue.
        sleep: Waits for some seconds.

    Raises:
        QueueError: A queue fails or does not answer.
    """
    async with queue_errors():
        try:
            # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
            await client.start_message_move_task(SourceArn=dead_letter_arn)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _UNKNOWN:
                raise
            started = False
        else:
            started = True
    if not started:
        return await _move(client, queue_url=queue_url, dead_letter_arn=dead_letter_arn)
    while True:
        async with queue_errors():
            answer = await client.list_message_move_tasks(SourceArn=dead_letter_arn, MaxResults=1)
        task = answer["Results"][0]
        if task["Status"] not in _RUNNING:
            return int(task.get("ApproximateNumberOfMessagesMoved", 0))
        await sleep(_LOOK_AGAIN_SECONDS)


async def _move(client: Any, *, queue_url: str, dead_letter_arn: str) -> int:  # noqa: ANN401 - a client of SQS
    """Move them one by one. A message is deleted after it was sent, so none is lost."""
    moved = 0
    async with queue_errors():
        source = (await client.get_queue_url(QueueName=dead_letter_arn.rpartition(":")[2]))["QueueUrl"]
    while True:
        async with queue_errors():
            answer = await client.receive_message(
                QueueUrl=source,
                MaxNumberOfMessages=AT_ONCE,
                VisibilityTimeout=VISIBILITY_SECONDS,
                WaitTimeSeconds=1,
            )
        messages = answer.get("Messages", [])
        if not messages:
            return moved
        for message in messages:
            async with queue_errors():
                await client.send_message(QueueUrl=queue_url, MessageBody=message["Body"])
                await client.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
