"""Combine single values into batches."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_GATHER_SECONDS: Final = 0.02
"""Seconds to collect a batch."""


class Batches(Generic[T]):
    """Collects values and sends them in batches.

    Args:
        send: Sends a batch; returns for each value whether it was sent.
        limit: Maximum size of a batch.
    """

    def __init__(self, send: Callable[[Sequence[T]], Awaitable[Sequence[bool]]], *, limit: int) -> None:
        self._send = send
        self._limit = limit
        self._gathered: list[T] = []
        self._full = asyncio.Event()
        self._sending: asyncio.Task[Sequence[bool]] | None = None
        self._running: set[asyncio.Task[Sequence[bool]]] = set()

    async def add(self, value: T) -> bool:
        """Send a value in a batch. Returns whether it was sent, and raises what ``send`` raises."""
        if self._sending is None:
            self._gathered, self._full = [], asyncio.Event()
            self._sending = asyncio.create_task(self._run(self._gathered, self._full))
            self._running.add(self._sending)
            self._sending.add_done_callback(self._running.discard)
        index, sending = len(self._gathered), self._sending
        self._gathered.append(value)
        if len(self._gathered) == self._limit:
            self._full.set()
            self._sending = None
        # If this caller is cancelled, others still wait for the batch.
        return (await asyncio.shield(sending))[index]

    async def _run(self, values: list[T], full: asyncio.Event) -> Sequence[bool]:
        try:
            async with asyncio.timeout(_GATHER_SECONDS):
                await full.wait()
        except TimeoutError:
            self._sending = None
        return await self._send(values)

    async def drain(self) -> None:
        """Wait for all batches, even those that fail."""
        await asyncio.gather(*self._running, return_exceptions=True)
