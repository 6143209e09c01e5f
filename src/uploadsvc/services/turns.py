"""Long work in slices, between which the event loop serves other requests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

T = TypeVar("T")
U = TypeVar("U")

AT_ONCE: Final = 8
"""Uploads of one request that are created at the same time. Each call to S3 takes a millisecond of the event
loop.
"""


class Turns:
    """Runs one slice of work in each round of the event loop, for all requests together."""

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
    """Run work on values, `AT_ONCE` at a time; return results and exceptions in the order of the values.

    No two begin in one round of the event loop: preparing a call to S3 takes milliseconds.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def run(value: T) -> U:
        async with places:
            async with turns.turn():
                pass
            return await work(value)

    return await asyncio.gather(*map(run, values), return_exceptions=True)
