"""Places for deliveries to one receiver, so that a dead one holds up no other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from uploadsvc.events.receivers import Outcome

AT_ONCE: Final = 32
"""Deliveries to a receiver at once."""

WAIT_SECONDS: Final = 1.0
"""Seconds to wait for a place."""

SILENT_SECONDS: Final = 2.0
"""Seconds without an answer after which nothing waits any more."""


class Slots:
    """Places for deliveries.

    Args:
        timer: Monotonic seconds.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._places = asyncio.Semaphore(AT_ONCE)
        self._taken = 0
        self._answered_at = 0.0

    async def within(self, attempt: Callable[[], Awaitable[tuple[Outcome, bool]]]) -> Outcome:
        """Return the outcome of an attempt, or ``busy`` if there is no place for it in time.

        Args:
            attempt: Sends an event; returns the outcome, and whether anything came back from the receiver.
        """
        if not await self._take():
            return Outcome(state="busy", reason="too many deliveries to it are under way")
        answered = False
        try:
            outcome, answered = await attempt()
        finally:
            self._give_back(answered=answered)
        return outcome

    async def _take(self) -> bool:
        if self._places.locked() and self._timer() - self._answered_at >= SILENT_SECONDS:
            return False
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            return False
        if self._taken == 0:
            self._answered_at = self._timer()
        self._taken += 1
        return True

    def _give_back(self, *, answered: bool) -> None:
        self._taken -= 1
        if answered:
            self._answered_at = self._timer()
        self._places.release()
