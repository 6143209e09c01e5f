"""Calls to S3 that are under way at once. The others wait, but not for long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from uploadsvc.domain.errors import StorageUnavailable

PATIENCE: Final = 2.0
"""Seconds that a call waits for others to end. Enough of its own deadline is left after that."""

_log = structlog.get_logger("uploadsvc.storage")


class CallSlots:
    """Limits the calls under way.

    Args:
        count: Most calls at once.
    """

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def taken(self, operation: str) -> AsyncIterator[None]:
        """Wait for a slot, and hold it.

        Args:
            operation: The call's name, for the log.

        Raises:
            StorageUnavailable: None has become free.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                await self._free.acquire()
        except TimeoutError:
            _log.warning("s3_busy", operation=operation)
            detail = "Too many other calls wait for the object store."
            raise StorageUnavailable(detail) from None
        try:
            async with self._turn:
                # Start one call in each round of the event loop, because preparing one takes milliseconds.
                await asyncio.sleep(0)
            yield
        finally:
            self._free.release()
