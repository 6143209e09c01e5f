"""Readiness of the service."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from uploadsvc.domain.errors import StorageMisconfigured, Unavailable, UploadsvcError
from uploadsvc.s3.storage import Storage

MAX_CLOCK_SKEW: Final = timedelta(minutes=5)
"""S3 refuses signatures that are off by more than 15 minutes:
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

_RECHECK: Final = timedelta(seconds=10)
_PATIENCE: Final = 0.5
"""Seconds that a probe waits. Kubernetes' probes time out after 1 s by default."""
_log = structlog.get_logger("uploadsvc")


class Readiness:
    """Ready once S3 has confirmed the bucket. Later outages are reported, but the service stays ready.

    Args:
        storage: The bucket.
        clock: Returns the current time, aware.
    """

    def __init__(self, *, storage: Storage, clock: Callable[[], datetime]) -> None:
        self._storage = storage
        self._clock = clock
        self._ready = False
        self._stopping = False
        self._problem: UploadsvcError | None = None
        self._checked_at: datetime | None = None
        self._refreshing: asyncio.Task[None] | None = None

    async def check(self) -> UploadsvcError | None:
        """Return the store's current problem, if any.

        All callers share one call to S3. Once the service is ready, they wait for less than the timeout of an
        orchestrator's probe, then get the previous result.

        Raises:
            UploadsvcError: S3 has not confirmed the bucket since the start, or the service is stopping.
        """
        if self._stopping:
            detail = "The service is stopping."
            raise Unavailable(detail)
        if self._refreshing is None and self._is_stale():
            self._refreshing = asyncio.create_task(self._refresh())
        if self._refreshing is not None:
            await asyncio.wait({self._refreshing}, timeout=_PATIENCE if self._ready else None)
        if self._problem is not None and not self._ready:
            raise self._problem
        return self._problem

    def take_over(self, other: "Readiness") -> None:
        """Take over the state of another instance with the same bucket and credentials."""
        for name in ("_ready", "_problem", "_checked_at"):
            setattr(self, name, getattr(other, name))

    def stop(self) -> None:
        """Report not ready from now on, so that load balancers send requests elsewhere."""
        self._stopping = True

    async def report(self) -> None:
        """Check the bucket and log a problem."""
        try:
            await self.check()
        except UploadsvcError as error:
            _log.warning(
                "bucket_not_usable",
                bucket=self._storage.bucket,
                problem=error.detail,
                advice="uploadsvc doctor finds out why",
            )

    def _is_stale(self) -> bool:
        if self._checked_at is None or not self._ready:
            return True
        return self._clock() - self._checked_at >= _RECHECK

    async def _refresh(self) -> None:
        try:
            self._problem = await self._find_problem()
            self._ready = self._ready or self._problem is None
            self._checked_at = self._clock()
        finally:
            self._refreshing = None

    async def _find_problem(self) -> UploadsvcError | None:
        try:
            skew = abs(await self._storage.check() - self._clock())
        except UploadsvcError as error:
            return error
        if skew > MAX_CLOCK_SKEW:
            detail = f"The clock is {int(skew.total_seconds())} seconds off the object store's."
            return StorageMisconfigured(detail)
        return None
