"""Receivers of events, whatever carries the events to them."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from uploadsvc.domain.events import Event
from uploadsvc.telemetry.metrics import UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Result of sending an event once.

    Attributes:
        state: ``delivered``; ``failed``, to be sent again later; ``busy``, if nothing was sent because too
            many deliveries to it are under way; ``gone``, if it wants no events any more.
        reason: Why it is not ``delivered``, in a few words for the log.
        retry_after: Seconds that the receiver asks to wait.
    """

    state: Literal["delivered", "failed", "busy", "gone"]
    reason: str = ""
    retry_after: float | None = None


class Receiver(Protocol):
    """A receiver of events.

    Attributes:
        id: Identifies it across restarts and in the log; it contains no secret.
        types: Types of events that it wants (`domain.events.matches`).
        policies: Policies whose events it wants, or ``*``.
    """

    id: str
    types: Sequence[str]
    policies: Sequence[str]

    async def send(self, event_id: str, body: bytes) -> Outcome:
        """Send an event once. Never raises because of the receiver.

        Args:
            event_id: ``webhook-id`` (`Event.id`).
            body: The JSON (`Event.body`).
        """
        ...


class Receivers:
    """All receivers of the service.

    Args:
        receivers: The receivers, each with an id of its own.
        resources: What they need open.
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
        """Open what the receivers need, and close it at the end."""
        async with AsyncExitStack() as stack:
            for resource in self._resources:
                await stack.enter_async_context(resource())
            yield

    def __iter__(self) -> Iterator[Receiver]:
        return iter(self._by_id.values())

    def wanting(self, event: Event) -> list[Receiver]:
        """Return the receivers that want an event."""
        return [
            receiver
            for receiver in self._by_id.values()
            if event.is_for(types=receiver.types, policies=receiver.policies)
        ]

    def get(self, receiver_id: str) -> Receiver | None:
        """Return a receiver, or ``None`` if the settings no longer have it."""
        return self._by_id.get(receiver_id)

    def label(self, receiver_id: str) -> str:
        """Return a receiver's label in the metrics: its number, in the order of the settings, from 1."""
        return self._labels.get(receiver_id, UNKNOWN)

    def __len__(self) -> int:
        return len(self._by_id)
