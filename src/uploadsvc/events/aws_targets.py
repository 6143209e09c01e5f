"""SQS queues and SNS topics that receive events."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import monotonic
from typing import Any, Final

from aiohttp import ClientError as AiohttpError
from botocore.exceptions import BotoCoreError, ClientError

from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.events.queue import message_of
from uploadsvc.events.receivers import Outcome
from uploadsvc.events.slots import Slots
from uploadsvc.telemetry.tracing import Tracing

_CALL_SECONDS: Final = 6.0
"""Seconds for a call, including retries."""


class AwsTarget:
    """A queue or a topic. The body is the message; ``webhook-id`` and ``type`` are its attributes.

    Attributes:
        id: Its id.
        types: Types of the events that it receives.
        policies: Policies of the events that it receives, or ``*``.

    Args:
        target: Its URL or ARN.
        receiver_id: Its id.
        types: Types of the events that it receives.
        policies: Policies of the events that it receives, or ``*``.
        client: Returns the context manager of its client.
        timer: Monotonic seconds.
        tracing: Propagates the trace, in message attributes.
    """

    _operation: str
    _body: str

    def __init__(
        self,
        target: str,
        *,
        receiver_id: str,
        types: Sequence[str],
        policies: Sequence[str],
        client: Callable[[], AbstractAsyncContextManager[Any]],
        timer: Callable[[], float] = monotonic,
        tracing: Tracing | None = None,
    ) -> None:
        self.id = receiver_id
        self.types = types
        self.policies = policies
        self._target = target
        self._make_client = client
        self._client: Any = None
        self._slots = Slots(timer)
        self._tracing = tracing or Tracing()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Open the client, and close it at the end."""
        async with self._make_client() as self._client:
            yield

    async def send(self, event_id: str, body: bytes) -> Outcome:
        """Send an event once."""
        return await self._slots.within(lambda: self._attempt(event_id, body))

    async def _attempt(self, event_id: str, body: bytes) -> tuple[Outcome, bool]:
        trace: dict[str, str] = {}
        self._tracing.inject(trace)
        message = {
            **self._address(),
            self._body: message_of(body.decode()),
            "MessageAttributes": {
                "webhook-id": _text(event_id),
                "type": _text(json.loads(body)["type"]),
                **{name: _text(value) for name, value in trace.items()},
            },
            **self._order(event_id),
        }
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                await getattr(self._client, self._operation)(**message)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code") or "no code")
            return Outcome(state="failed", reason=f"refused ({code})"), True
        except UploadsvcError as error:
            return Outcome(state="failed", reason=error.detail), True
        except TimeoutError:
            return Outcome(state="failed", reason="no answer"), False
        except (BotoCoreError, AiohttpError, OSError, LookupError, ValueError) as error:
            return Outcome(state="failed", reason=f"no answer ({type(error).__name__})"), True
        return Outcome(state="delivered"), True

    def _address(self) -> Mapping[str, str]:
        raise NotImplementedError

    def _order(self, event_id: str) -> Mapping[str, str]:
        """Return the parameters of FIFO queues and topics. Each event is a group: no order is promised."""
        if not self._target.endswith(".fifo"):
            return {}
        return {"MessageGroupId": event_id, "MessageDeduplicationId": event_id}


class QueueTarget(AwsTarget):
    """An SQS queue, by its URL."""

    _operation = "send_message"
    _body = "MessageBody"

    def _address(self) -> Mapping[str, str]:
        return {"QueueUrl": self._target}


class TopicTarget(AwsTarget):
    """An SNS topic, by its ARN."""

    _operation = "publish"
    _body = "Message"

    def _address(self) -> Mapping[str, str]:
        return {"TopicArn": self._target}


def _text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}
