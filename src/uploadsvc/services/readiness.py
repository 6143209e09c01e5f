"""Whether the service can do its work."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from uploadsvc.domain.errors import StorageMisconfigured, UploadsvcError
from uploadsvc.s3.storage import Storage

MAX_CLOCK_SKEW: Final = timedelta(minutes=5)
"""S3 refuses what is signed further off: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""

_RECHECK: Final = timedelta(seconds=10)
_PATIENCE: Final = 0.5
"""Seconds; Kubernetes gives a probe one."""


class Readiness:
    """Ready once credentials and bucket have answered; a later outage is told, and takes nobody out.

    Args:
        storage: The bucket.
        clock: The time now, aware.
    """

    def __init__(self, *, storage: Storage, clock: Callable[[], datetime]) -> None:
        self._storage = storage
        self._clock = clock
        self._ready = False
        self._problem: UploadsvcError | None = None
        self._checked_at: datetime | None = None
        self._asking: asyncio.Task[None] | None = None

    async def check(self) -> UploadsvcError | None:
        """Return what is wrong with the store now, if anything, once it has answered since the start.

        All callers share one question to the store. Once ready, they wait for its answer only so long as an
        orchestrator waits for ours, and are told the last one otherwise.

        Raises:
            UploadsvcError: It has not answered yet.
        """
        if self._asking is None and self._is_stale():
            self._asking = asyncio.create_task(self._refresh())
        if self._asking is not None:
            await asyncio.wait({self._asking}, timeout=_PATIENCE if self._ready else None)
        if self._problem is not None and not self._ready:
            raise self._problem
        return self._problem

    def _is_stale(self) -> bool:
        if self._checked_at is None or not self._ready:
            return True
        return self._clock() - self._checked_at >= _RECHECK

    async def _refresh(self) -> None:
        try:
            self._problem = await self._ask()
            self._ready = self._ready or self._problem is None
            self._checked_at = self._clock()
        finally:
            self._asking = None

    async def _ask(self) -> UploadsvcError | None:
        try:
            skew = abs(await self._storage.check() - self._clock())
        except UploadsvcError as error:
            return error
        if skew > MAX_CLOCK_SKEW:
            detail = f"The clock is {int(skew.total_seconds())} seconds off the object store's."
            return StorageMisconfigured(detail)
        return None
