"""Receivers of events."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from uploadsvc.domain.events import Event
from uploadsvc.telemetry.metrics import UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Outcome of an attempt to send an event.

    Attributes:
        state: ``delivered``; ``failed``, to be retried; ``busy``, not sent because the receiver has too many
            deliveries in progress; ``gone``, if the receiver wants no more events.
        reason: Reason, in a few words for the log, unless ``delivered``.
        retry_after: Seconds to wait, from the receiver.
    """

    state: Literal["delivered", "failed", "busy", "gone"]
    reason: str = ""
    retry_after: float | None = None


class Receiver(Protocol):
    """A receiver of events.

    Attributes:
        id: Id that is stable across restarts, for the log; contains no secret.
        types: Types of the events that it receives (`domain.events.matches`).
        policies: Policies of the events that it receives, or ``*``.
    """

    id: str
    types: Sequence[str]
    policies: Sequence[str]

    async def send(self, event_id: str, body: bytes) -> Outcome:
        """Send an event once. Failures of the receiver never raise.

        Args:
            event_id: ``webhook-id`` (`Event.id`).
            body: The JSON (`Event.body`).
        """
        ...


class Receivers:
    """All receivers of the service.

    Args:
        receivers: The receivers, with distinct ids.
        resources: Context managers that they need.
    """

    def __init__(
        self,
        receivers: Iterable[Receiver],
        *,
        resources: Iterable[Callable[[], AbstractAsyncContextManager[object]]] = (),
    ) -> None:
        self._by_id = {receiver.id: receiver for receiver in receivers}
        self._labels = {receiver_id: str(number) for number, receiver_id in enumerate(self._by_id, 1)}
        self._resources = tuple(resources)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Open the resources, and close them at the end."""
        async with AsyncExitStack() as stack:
            for resource in self._resources:
                await stack.enter_async_context(resource())
            yield

    def __iter__(self) -> Iterator[Receiver]:
        return iter(self._by_id.values())

    def wanting(self, event: Event) -> list[Receiver]:
        """Return the receivers of an event."""
        return [
            receiver
            for receiver in self._by_id.values()
            if event.is_for(types=receiver.types, policies=receiver.policies)
        ]

    def get(self, receiver_id: str) -> Receiver | None:
        """Return a receiver, or ``None`` if it was removed from the settings."""
        return self._by_id.get(receiver_id)

    def label(self, receiver_id: str) -> str:
        """Return a receiver's label in the metrics: its position in the settings, from 1."""
        return self._labels.get(receiver_id, UNKNOWN)

    def __len__(self) -> int:
        return len(self._by_id)
