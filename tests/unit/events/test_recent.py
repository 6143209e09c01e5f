"""What the demo page shows of its users' events."""

import asyncio
import json
from contextlib import aclosing

from uploadsvc.events.recent import KEPT, RecentEvents


async def send(events: RecentEvents, event_id: str, user: str = "alice") -> None:
    body = {"type": "upload.completed", "data": {"user": user}}
    assert (await events.send(event_id, json.dumps(body).encode())).state == "delivered"


async def followed(events: RecentEvents, user: str = "alice", after: str | None = None) -> list[str]:
    """Return the ids of what is kept."""
    events.close()
    return [event.id async for event in events.follow(user, after=after)]


async def test_each_event_is_kept_once_for_its_user() -> None:
    """Sources may tell of one twice. Events of strangers take no memory."""
    events = RecentEvents(["alice", "bob"])
    for event_id, user in [("1", "alice"), ("2", "bob"), ("1", "alice"), ("3", "alice"), ("4", "eve")]:
        await send(events, event_id, user)
    assert await followed(events) == ["1", "3"]
    assert await followed(events, "bob") == ["2"]
    assert await followed(events, after="1") == ["3"]
    assert await followed(events, after="3") == []
    # Of another run of the service.
    assert await followed(events, after="unknown") == ["1", "3"]


async def test_the_latest_are_kept() -> None:
    """A user with many events does not push out another's."""
    events = RecentEvents(["alice", "bob"])
    await send(events, "0", "bob")
    for number in range(KEPT + 5):
        await send(events, str(number))
    assert await followed(events) == [str(number) for number in range(5, KEPT + 5)]
    assert await followed(events, "bob") == ["0"]


async def test_events_are_seen_as_they_come() -> None:
    """Also those that come while others are read, and the end after the last."""
    events = RecentEvents(["alice"])
    seen: list[str] = []
    async with asyncio.timeout(5), aclosing(events.follow("alice")) as following:
        await send(events, "1")
        async for event in following:
            seen.append(event.id)
            if event.id == "1":
                await send(events, "2")
                asyncio.get_running_loop().call_soon(asyncio.create_task, send(events, "3"))
            elif event.id == "3":
                await send(events, "4")
                events.close()
    assert seen == ["1", "2", "3", "4"]
