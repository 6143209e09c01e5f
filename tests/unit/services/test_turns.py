"""Work on many values leaves the event loop to other requests in between."""

import asyncio

from uploadsvc.services.turns import AT_ONCE, Turns, gather_few


async def test_each_begins_in_a_round_of_its_own() -> None:
    """Also beside those of another request, with the same turns."""
    turns, begun, rounds, running = Turns(), list[int](), 0, set[int]()

    async def count_rounds() -> None:
        nonlocal rounds
        while True:
            await asyncio.sleep(0)
            rounds += 1

    async def work(value: int) -> int:
        begun.append(rounds)
        running.add(value)
        assert len(running) <= 2 * AT_ONCE
        for _ in range(50):
            await asyncio.sleep(0)
        running.remove(value)
        return -value

    counting = asyncio.create_task(count_rounds())
    results = await asyncio.gather(
        *(gather_few(work, values, turns) for values in (range(20), range(20, 40)))
    )
    counting.cancel()
    assert results == [[-value for value in range(20)], [-value for value in range(20, 40)]]
    assert len(set(begun)) == len(begun) == 40
