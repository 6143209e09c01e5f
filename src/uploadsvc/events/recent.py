"""Keep the latest events in memory, for the demo page."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from uploadsvc.events.receivers import Outcome

KEPT: Final = 50
"""Maximum number of events per user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentEvent:
    """A received event.

    Attributes:
        id: ``webhook-id``.
        content: The parsed body.
    """

    id: str
    content: dict[str, Any]


class RecentEvents:
    """A receiver that keeps the latest events of some users.

    Attributes:
        id: Id in the log.
        types: All types.
        policies: All policies.

    Args:
        users: The users. Events of others are dropped, to bound the memory.
    """

    def __init__(self, users: Iterable[str]) -> None:
        self.id = "demo"
        self.types: Sequence[str] = ("*",)
        self.policies: Sequence[str] = ("*",)
        self._kept = {user: deque[RecentEvent](maxlen=KEPT) for user in users}
        self._changed = asyncio.Event()
        self._closed = False

    async def send(self, event_id: str, body: bytes) -> Outcome:
        """Store an event, unless it is a repeated one."""
        content = json.loads(body)
        kept = self._kept.get(content["data"]["user"])
        if kept is not None and all(one.id != event_id for one in kept):
            kept.append(RecentEvent(id=event_id, content=content))
            self._wake()
        return Outcome(state="delivered")

    async def follow(self, user: str, *, after: str | None = None) -> AsyncGenerator[RecentEvent]:
        """Yield a user's events, oldest first, and then new ones, until `close`.

        Args:
            user: One of the users.
            after: Start after the event with this id; ``None`` or an unknown id for all.
        """
        kept, last = self._kept[user], after
        while True:
            changed = self._changed
            events = _after(kept, last)
            for event in events:
                last = event.id
                yield event
            if events:
                # More may have arrived while these were sent.
                continue
            if self._closed:
                return
            await changed.wait()

    def close(self) -> None:
        """End every `follow` once it has yielded the stored events."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _after(kept: Iterable[RecentEvent], last: str | None) -> list[RecentEvent]:
    events = list(kept)
    ids = [event.id for event in events]
    return events[ids.index(last) + 1 :] if last in ids else events
