"""A queue in memory whose time passes as soon as nothing is left to do."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.support.fakes import Clock

from uploadsvc.events.queue import Message, QueueError
from uploadsvc.events.receivers import Outcome

MAX_RECEIVE_COUNT: Final = 10


@dataclass
class Held:
    """A message in the queue.

    Attributes:
        body: Text.
        visible_at: Time from which it can be received, as the clock's timestamp.
        received: Number of receipts.
        under_way: Whether a worker has it.
    """

    body: str
    visible_at: float
    received: int = 0
    under_way: bool = False


class FakeQueue:
    """SQS, with a dead-letter queue.

    Once no message is under way, the clock moves to the next one, and when there is none, the worker is told
    to stop.

    Attributes:
        held: Messages by their handle.
        dead: Bodies in the dead-letter queue.
        failures: Errors that the next calls raise, by the call's name.
        stopping: Tells the worker to stop.
    """

    def __init__(self, clock: Clock, *, max_receive_count: int | None = MAX_RECEIVE_COUNT) -> None:
        self.max_receive_count = max_receive_count
        self.held: dict[str, Held] = {}
        self.dead: list[str] = []
        self.failures: dict[str, list[QueueError]] = {}
        self.stopping = asyncio.Event()
        self._clock = clock
        self._number = 0

    def put(self, body: str, *, seconds: float = 0) -> None:
        """Put a message into the queue, as S3 does."""
        self._number += 1
        self.held[str(self._number)] = Held(body, self._now + seconds)

    async def check(self) -> None:
        """Ask for the attributes."""
        self._fail("check")

    async def receive(self) -> Sequence[Message]:
        """Return visible messages, newest first: the order is not promised."""
        await asyncio.sleep(0)
        self._fail("receive")
        if not any(one.under_way or one.visible_at <= self._now for one in self.held.values()):
            if not self.held:
                self.stopping.set()
                await asyncio.Event().wait()
            self._clock.move(min(one.visible_at for one in self.held.values()) - self._now)
        found: list[Message] = []
        for handle, one in list(self.held.items())[::-1]:
            if one.under_way or one.visible_at > self._now or len(found) == 10:
                continue
            one.received += 1
            if self.max_receive_count and one.received > self.max_receive_count:
                self.dead.append(self.held.pop(handle).body)
                continue
            one.under_way = True
            found.append(
                Message(
                    id=handle,
                    handle=handle,
                    body=one.body,
                    receive_count=one.received,
                    sent_at=self._clock(),
                )
            )
        return found

    async def delete(self, message: Message) -> None:
        """Delete a message."""
        self._fail("delete")
        del self.held[message.handle]

    async def put_back(self, message: Message, *, seconds: int) -> None:
        """Make a message visible later."""
        self._fail("put_back")
        one = self.held[message.handle]
        one.visible_at, one.under_way = self._now + seconds, False

    async def send(self, body: str, *, seconds: int) -> None:
        """Send a message."""
        self._fail("send")
        assert 0 <= seconds <= 900
        self.put(body, seconds=seconds)

    def lapse(self) -> None:
        """Make visible what no worker has settled, as SQS does after a minute."""
        for one in self.held.values():
            one.under_way = False

    @property
    def _now(self) -> float:
        return self._clock().timestamp()

    def _fail(self, call: str) -> None:
        if errors := self.failures.get(call):
            raise errors.pop(0)


DELIVERED: Final = Outcome(state="delivered")
FAILED: Final = Outcome(state="failed", reason="status 500")
BUSY: Final = Outcome(state="busy", reason="no room")
GONE: Final = Outcome(state="gone", reason="status 410")


@dataclass
class FakeReceiver:
    """A receiver with a script.

    Attributes:
        clock: Clock of the test.
        id: Its id.
        script: Outcomes of the first sends; the later ones are delivered. An error is raised.
        got: What was sent, by time since the start and event id.
    """

    clock: Clock
    id: str = "app"
    types: Sequence[str] = ("*",)
    policies: Sequence[str] = ("*",)
    script: list[Outcome | Exception] = field(default_factory=list)
    got: list[tuple[float, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    _start: float = 0

    def __post_init__(self) -> None:
        self._start = self.clock().timestamp()

    async def send(self, event_id: str, body: bytes) -> Outcome:
        """Follow the script."""
        self.got.append((self.clock().timestamp() - self._start, event_id))
        self.bodies.append(body)
        outcome = self.script.pop(0) if self.script else DELIVERED
        if isinstance(outcome, Exception):
            raise outcome
        return outcome
