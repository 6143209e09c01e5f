"""``uploadsvc rm``."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from uploadsvc.client.connection import Connection
from uploadsvc.client.display import Display, plain
from uploadsvc.client.errors import UploadsvcError
from uploadsvc.client.keys import Keys
from uploadsvc.client.listing import for_people
from uploadsvc.client.models import ListedObject, StoredObject
from uploadsvc.client.objects import AsyncObjects
from uploadsvc.client.source import readable


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Objects to delete.

    Attributes:
        keys: Keys; prefixes of keys if ``recursive``.
        recursive: Delete all objects with these prefixes.
        asks: Ask on the terminal first.
    """

    keys: Sequence[str]
    recursive: bool
    asks: bool

    async def run(self, connection: Connection, display: Display) -> int:
        """Delete the objects, and return the exit status."""
        async with connection.session(display.tell) as session:
            objects = AsyncObjects(session)
            found = await self._found(objects, display)
            complete = len(found) == len([one for one in found if one is not None])
            chosen = {one.key: one for one in found if one is not None}
            if not chosen:
                if complete:
                    display.tell("there is nothing to delete")
                return 0 if complete else 1
            if self.asks and not await _confirmed(_question(chosen)):
                display.tell("nothing was deleted")
                return 1
            turns = asyncio.Semaphore(connection.parallel)
            deleted = await asyncio.gather(*(_delete(objects, key, turns, display) for key in chosen))
        return 0 if complete and all(deleted) else 1

    async def _found(
        self, objects: AsyncObjects, display: Display
    ) -> list[StoredObject | ListedObject | None]:
        """Return the objects, and ``None`` for each key that was reported as a problem."""
        keys, found = Keys(objects), list[StoredObject | ListedObject | None]()
        for key in self.keys:
            try:
                if self.recursive:
                    found += [one async for one in objects.list(prefix=await keys.relative(key))]
                else:
                    found.append(await keys.find(key))
            except UploadsvcError as problem:
                display.failed(key, problem)
                found.append(None)
        return found


def _question(chosen: dict[str, StoredObject | ListedObject]) -> str:
    size = for_people(sum(one.size for one in chosen.values()))
    if len(chosen) == 1:
        return f"Delete {plain(min(chosen))} ({size})?"
    return f"Delete {len(chosen)} objects ({size}), from {plain(min(chosen))} to {plain(max(chosen))}?"


async def _confirmed(question: str) -> bool:
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    # A thread that reads could not be stopped by Ctrl-C.
    await readable(sys.stdin.fileno())
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


async def _delete(objects: AsyncObjects, key: str, turns: asyncio.Semaphore, display: Display) -> bool:
    async with turns:
        try:
            await objects.delete(key)
        except UploadsvcError as problem:
            display.failed(key, problem)
            return False
    display.result(f"deleted {key}", {"key": key, "deleted": True})
    return True
