"""Limit concurrent deliveries to a receiver, so that one that hangs does not delay the others."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from uploadsvc.events.receivers import Outcome

AT_ONCE: Final = 32
"""Maximum number of concurrent deliveries to a receiver."""

WAIT_SECONDS: Final = 1.0
"""Seconds to wait for a slot."""

SILENT_SECONDS: Final = 2.0
"""Seconds without a response after which deliveries no longer wait for a slot."""


class Slots:
    """Slots for deliveries to one receiver.

    Args:
        timer: Monotonic seconds.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._places = asyncio.Semaphore(AT_ONCE)
        self._taken = 0
        self._answered_at = 0.0

    async def within(self, attempt: Callable[[], Awaitable[tuple[Outcome, bool]]]) -> Outcome:
        """Make an attempt and return its outcome, or ``busy`` if no slot becomes free in time.

        Args:
            attempt: Sends an event; returns the outcome, and whether the receiver responded at all.
        """
        if not await self._take():
            return Outcome(state="busy", reason="too many deliveries are in progress")
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
