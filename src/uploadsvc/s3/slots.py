"""Limit concurrent calls to S3. Further calls wait for a short time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from uploadsvc.domain.errors import StorageUnavailable

PATIENCE: Final = 2.0
"""Seconds that a call waits for a slot. Enough of its own deadline is left afterwards."""

_log = structlog.get_logger("uploadsvc.storage")


class CallSlots:
    """Limits concurrent calls.

    Args:
        count: Maximum number of concurrent calls.
    """

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def taken(self, operation: str) -> AsyncIterator[None]:
        """Wait for a slot, and hold it.

        Args:
            operation: Name of the call, for the log.

        Raises:
            StorageUnavailable: No slot became free.
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
                # Start one call per iteration of the event loop, because preparing one takes milliseconds.
                await asyncio.sleep(0)
            yield
        finally:
            self._free.release()
