"""Single calls are sent together."""

import asyncio
from collections.abc import Sequence

import pytest

from uploadsvc.events.batches import Batches
from uploadsvc.events.queue import QueueError


async def test_values_go_in_full_batches_and_each_caller_gets_its_own_result() -> None:
    sent: list[list[int]] = []

    async def send(values: Sequence[int]) -> Sequence[bool]:
        sent.append(list(values))
        return [value % 2 == 0 for value in values]

    batches = Batches(send, limit=10)
    results = await asyncio.gather(*(batches.add(number) for number in range(25)))
    assert results == [number % 2 == 0 for number in range(25)]
    assert [len(batch) for batch in sent] == [10, 10, 5]


async def test_a_failure_is_that_of_all_callers_and_a_cancelled_one_takes_no_other_along() -> None:
    failures = [QueueError("down")]

    async def send(values: Sequence[int]) -> Sequence[bool]:
        if failures:
            raise failures.pop()
        return [True] * len(values)

    batches = Batches(send, limit=10)
    results = await asyncio.gather(batches.add(1), batches.add(2), return_exceptions=True)
    assert [type(result) for result in results] == [QueueError, QueueError]
    cancelled = asyncio.create_task(batches.add(3))
    other = asyncio.create_task(batches.add(4))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await other
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await batches.drain()
