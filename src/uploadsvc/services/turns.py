"""Split long work into slices, so that the event loop can serve other requests in between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

T = TypeVar("T")
U = TypeVar("U")

AT_ONCE: Final = 8
"""Concurrency limit for the uploads of one request. Each call to S3 takes a millisecond of the event loop."""


class Turns:
    """Allows one slice of work per iteration of the event loop, for all requests together."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Run a slice of a few milliseconds."""
        async with self._lock:
            yield
            # Keep the lock until the loop has polled its sockets.
            await asyncio.sleep(0)


async def gather_few(
    work: Callable[[T], Awaitable[U]], values: Iterable[T], turns: Turns
) -> list[U | BaseException]:
    """Run work on values, `AT_ONCE` at a time. Returns results and exceptions in the order of the values.

    No two start in the same iteration of the event loop, because preparing a call to S3 takes milliseconds.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def run(value: T) -> U:
        async with places:
            async with turns.turn():
                pass
            return await work(value)

    return await asyncio.gather(*map(run, values), return_exceptions=True)
