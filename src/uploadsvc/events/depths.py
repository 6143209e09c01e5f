"""Measure the depths of the queue and its dead-letter queue, for the metrics."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from uploadsvc.events.queue import QueueError, QueueRefusedError, SqsQueue
from uploadsvc.telemetry.metrics import Metrics

PAUSE_SECONDS: Final = 30.0
"""Seconds between two measurements. AWS charges for each request."""

MAIN: Final = "main"
DEAD_LETTERS: Final = "dead_letters"


class QueueDepths:
    """Measures the queues regularly. A depth that cannot be read is left out, not zero.

    Args:
        queue: The queue, open.
        metrics: Records the depths.
        sleep: Waits for some seconds.
    """

    def __init__(
        self, queue: SqsQueue, metrics: Metrics, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._queue = queue
        self._depth = metrics.event_queue_depth
        self._sleep = sleep

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Measure until cancelled."""
        looking = [asyncio.create_task(one) for one in (self._look(MAIN, self._queue), self._look_at_dead())]
        try:
            yield
        finally:
            for task in looking:
                task.cancel()
            await asyncio.wait(looking)

    async def _look(self, name: str, queue: SqsQueue) -> None:
        while True:
            try:
                depth = float(await queue.depth())
            except QueueError:
                # The worker logs problems of the queue itself.
                depth = math.nan
            self._depth.set(depth, name)
            await self._sleep(PAUSE_SECONDS)

    async def _look_at_dead(self) -> None:
        async with AsyncExitStack() as stack:
            while True:
                try:
                    dead_letters = await stack.enter_async_context(await self._queue.dead_letters())
                except QueueRefusedError:
                    # There is none, or no permission to read it.
                    return
                except QueueError:
                    await self._sleep(PAUSE_SECONDS)
                else:
                    await self._look(DEAD_LETTERS, dead_letters)
