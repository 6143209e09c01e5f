"""Places for deliveries to one receiver, so that a dead one holds up no other."""

import asyncio
from collections.abc import Callable
from typing import Final

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

    async def take(self) -> bool:
        """Take a place, and tell whether there was one in time."""
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

    def give_back(self, *, answered: bool) -> None:
        """Give a place back.

        Args:
            answered: Whether anything came back from the receiver.
        """
        self._taken -= 1
        if answered:
            self._answered_at = self._timer()
        self._places.release()
