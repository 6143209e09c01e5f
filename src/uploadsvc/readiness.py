"""Whether the service can do its work."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from uploadsvc.domain.errors import StorageMisconfigured, UploadsvcError
from uploadsvc.storage import Storage

MAX_CLOCK_SKEW: Final = timedelta(minutes=5)
"""S3 refuses what is signed further off: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""

_RECHECK: Final = timedelta(seconds=10)


class Readiness:
    """Ready once credentials and bucket have answered; a later outage is told, and takes nobody out.

    Args:
        storage: The bucket.
        clock: The time now, aware.
    """

    def __init__(self, *, storage: Storage, clock: Callable[[], datetime]) -> None:
        self._storage = storage
        self._clock = clock
        self._lock = asyncio.Lock()
        self._ready = False
        self._problem: UploadsvcError | None = None
        self._checked_at: datetime | None = None

    async def check(self) -> UploadsvcError | None:
        """Return what is wrong with the store now, if anything, once it has answered since the start.

        Raises:
            UploadsvcError: It has not answered yet.
        """
        async with self._lock:
            now = self._clock()
            if self._checked_at is None or not self._ready or now - self._checked_at >= _RECHECK:
                self._problem = await self._ask()
                self._checked_at = now
                self._ready = self._ready or self._problem is None
        if self._problem is not None and not self._ready:
            raise self._problem
        return self._problem

    async def _ask(self) -> UploadsvcError | None:
        try:
            skew = abs(await self._storage.check() - self._clock())
        except UploadsvcError as error:
            return error
        if skew > MAX_CLOCK_SKEW:
            detail = f"The clock is {int(skew.total_seconds())} seconds off the object store's."
            return StorageMisconfigured(detail)
        return None
