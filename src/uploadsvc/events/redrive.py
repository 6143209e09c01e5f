"""Move messages from the dead-letter queue back to the queue.

SQS's own move tasks are not used: AWS does not document whether they reset a message's receive count.
LocalStack keeps it, so the worker would give up the message immediately.
"""

import asyncio
from datetime import datetime

from uploadsvc.events.queue import Message, SqsQueue

_WAIT_SECONDS = 1


async def redrive(dead_letters: SqsQueue, queue: SqsQueue, *, before: datetime) -> int:
    """Move all messages, and return their number.

    A message is deleted only after it was sent, so none is lost.

    Args:
        dead_letters: The dead-letter queue, open.
        queue: The queue, open.
        before: Skip newer messages, such as one that has already failed again.

    Raises:
        QueueError: A queue fails or does not answer.
    """

    async def move(message: Message) -> None:
        await queue.send(message.body, seconds=0)
        await dead_letters.delete(message)

    moved = 0
    while messages := await dead_letters.receive(seconds=_WAIT_SECONDS):
        old = [message for message in messages if message.sent_at < before]
        if not old:
            break
        await asyncio.gather(*map(move, old))
        moved += len(old)
    for message in messages:
        await dead_letters.put_back(message, seconds=0)
    return moved
