"""The queue that S3 notifies."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Protocol, Self

from aiohttp import ClientError as AiohttpError
from botocore.exceptions import BotoCoreError, ClientError

from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.redelivery import MAX_INVISIBLE
from uploadsvc.events.batches import Batches

VISIBILITY_SECONDS: Final = 60
"""Seconds for which a received message is invisible to other workers."""

AT_ONCE: Final = 10
"""Maximum number of messages in a call:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
"""

_COUNTS: Final = tuple(f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed"))
"""Attributes that together count all messages. Messages that keep failing are mostly invisible."""

_POLL_SECONDS: Final = 20
_CALL_SECONDS: Final = 6.0
"""Seconds for a call, including retries."""

_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_DENIED_CODES: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_MISSING_CODES: Final = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "InvalidAddress",
    }
)


class QueueError(Exception):
    """The queue fails or does not answer. The message gives the reason, without the URL."""


class QueueRefusedError(QueueError):
    """The queue does not exist, or the credentials have no access to it. Do not retry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A received message.

    Attributes:
        id: SQS's message id.
        handle: Receipt handle.
        body: Body.
        receive_count: Number of receives, including this one.
        sent_at: Time of sending, in UTC.
    """

    id: str
    handle: str
    body: str
    receive_count: int
    sent_at: datetime


class Queue(Protocol):
    """Interface of a queue for the worker. All calls can raise `QueueError`.

    Attributes:
        max_receive_count: Receives after which SQS moves a message to the dead-letter queue; ``None`` without
            such a queue. Set by `check`.
    """

    max_receive_count: int | None

    async def check(self) -> None:
        """Check access to the queue, and read its attributes."""

    async def receive(self) -> Sequence[Message]:
        """Wait for up to `AT_ONCE` messages."""

    async def delete(self, message: Message) -> None:
        """Delete a message."""

    async def put_back(self, message: Message, *, seconds: int) -> None:
        """Make a message visible after some seconds, 0 for immediately."""

    async def send(self, body: str, *, seconds: int) -> None:
        """Send a message with a delay in seconds, at most `MAX_DELAY`."""


class SqsQueue:
    """An SQS queue. Enter it to open its client.

    Args:
        url: URL of the queue.
        client: Returns the context manager of a client.
    """

    def __init__(self, url: str, client: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        self._url = url
        self._open = client
        self._client: Any = None
        self._stack = AsyncExitStack()
        self._deleted = Batches(self._delete_batch, limit=AT_ONCE)
        self.max_receive_count: int | None = None

    async def __aenter__(self) -> Self:
        """Open the client, without sending anything."""
        self._client = await self._stack.enter_async_context(self._open())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send pending batches, and close the client."""
        await self._deleted.drain()
        await self._stack.__aexit__(kind, error, trace)
        self._client = None

    async def check(self) -> None:
        """Check access to the queue, and read its attributes.

        Raises:
            QueueRefusedError: The queue does not exist, or access is denied.
            QueueError: It fails or does not answer.
        """
        policy = (await self._attributes(["RedrivePolicy"])).get("RedrivePolicy")
        self.max_receive_count = int(json.loads(policy)["maxReceiveCount"]) if policy else None

    async def receive(self, *, seconds: int = _POLL_SECONDS) -> Sequence[Message]:
        """Wait for messages, for some seconds, and return up to `AT_ONCE`.

        Raises:
            QueueError: The queue fails or does not answer.
        """
        async with queue_errors(seconds + _CALL_SECONDS):
            answer = await self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=AT_ONCE,
                WaitTimeSeconds=seconds,
                VisibilityTimeout=VISIBILITY_SECONDS,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
            return [_message(found) for found in answer.get("Messages", [])]

    async def delete(self, message: Message) -> None:
        """Delete a message, in a batch with others.

        Raises:
            QueueError: The queue fails or does not answer.
        """
        if not await self._deleted.add(message.handle):
            error = "the queue did not delete a message"
            raise QueueError(error)

    async def _delete_batch(self, handles: Sequence[str]) -> Sequence[bool]:
        entries = [{"Id": str(index), "ReceiptHandle": handle} for index, handle in enumerate(handles)]
        async with queue_errors():
            answer = await self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
            deleted = {found["Id"] for found in answer.get("Successful", [])}
        return [entry["Id"] in deleted for entry in entries]

    async def put_back(self, message: Message, *, seconds: int) -> None:
        """Make a message visible after some seconds, 0 for immediately.

        Raises:
            QueueError: The queue fails or does not answer.
        """
        async with queue_errors():
            await self._client.change_message_visibility(
                QueueUrl=self._url,
                ReceiptHandle=message.handle,
                # SQS also counts the time since the receive, and rejects a longer total.
                VisibilityTimeout=max(0, min(seconds, MAX_INVISIBLE - VISIBILITY_SECONDS)),
            )

    async def send(self, body: str, *, seconds: int) -> None:
        """Send a JSON message with a delay in seconds, at most `MAX_DELAY`.

        Raises:
            QueueError: The queue fails or does not answer.
        """
        async with queue_errors():
            await self._client.send_message(
                QueueUrl=self._url, MessageBody=message_of(body), DelaySeconds=seconds
            )

    async def depth(self) -> int:
        """Return the approximate number of messages, including invisible and delayed ones.

        Raises:
            QueueRefusedError: The queue does not exist, or access is denied.
            QueueError: It fails or does not answer.
        """
        found = await self._attributes(_COUNTS)
        return sum(int(found.get(name, 0)) for name in _COUNTS)

    async def dead_letters(self) -> "SqsQueue":
        """Return the dead-letter queue, not open yet.

        Raises:
            QueueRefusedError: There is none.
            QueueError: The queue fails or does not answer.
        """
        policy = (await self._attributes(["RedrivePolicy"])).get("RedrivePolicy")
        if not policy:
            error = "the queue has no dead-letter queue"
            raise QueueRefusedError(error)
        *_, account, name = json.loads(policy)["deadLetterTargetArn"].split(":")
        async with queue_errors():
            answer = await self._client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)
            return SqsQueue(answer["QueueUrl"], self._open)

    async def _attributes(self, names: Sequence[str]) -> dict[str, str]:
        async with queue_errors():
            answer = await self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=list(names))
            return dict(answer.get("Attributes", {}))


def message_of(json_text: str) -> str:
    """Remove the characters from JSON that SQS rejects. Other programs may send them unescaped.

    JSON requires the others to be escaped:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    return json_text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def _message(found: dict[str, Any]) -> Message:
    attributes = found["Attributes"]
    return Message(
        id=found["MessageId"],
        handle=found["ReceiptHandle"],
        body=found["Body"],
        receive_count=int(attributes["ApproximateReceiveCount"]),
        sent_at=datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC),
    )


@asynccontextmanager
async def queue_errors(deadline: float = _CALL_SECONDS) -> AsyncIterator[None]:
    """Limit the time of a call, and translate its errors to messages without secrets.

    Raises:
        QueueRefusedError: The queue does not exist, or access is denied.
        QueueError: The queue fails or does not answer.
    """
    try:
        async with asyncio.timeout(deadline):
            yield
    except ClientError as error:
        raise _refusal(error) from None
    except UploadsvcError as error:
        # There are no credentials.
        raise QueueError(error.detail) from None
    except (BotoCoreError, AiohttpError, OSError, LookupError, ValueError) as error:
        message = f"the queue does not answer ({type(error).__name__})"
        raise QueueError(message) from None


def _refusal(error: ClientError) -> QueueError:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    code = str(error.response.get("Error", {}).get("Code") or status)
    if code in _MISSING_CODES:
        return QueueRefusedError(f"there is no such queue ({code})")
    if code in _DENIED_CODES or status in _DENIED:
        return QueueRefusedError(f"the credentials may not use the queue ({code})")
    return QueueError(f"the queue fails ({code})")
