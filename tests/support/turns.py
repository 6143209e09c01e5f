"""Another request beside long work, which shows that the work yields to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Counts the turns of the other request."""

    count = 0


@asynccontextmanager
async def turns() -> AsyncIterator[Turns]:
    """Take a turn in each iteration of the event loop until the end of the block."""
    taken = Turns()

    async def other() -> None:
        while True:
            taken.count += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    try:
        yield taken
    finally:
        beside.cancel()
