"""Keys on the command line: in full, as the service shows them, or relative to the user's prefix."""

from typing import Final

from uploadsvc.client.errors import UploadsvcError
from uploadsvc.client.models import StoredObject
from uploadsvc.client.objects import AsyncObjects

_ELSEWHERE: Final = "not_found"
"""Problem code, also for a key outside of the user's prefix."""


class Keys:
    """Resolves keys. A key that begins with the user's prefix is a full key.

    Args:
        objects: Calls of the service.
    """

    def __init__(self, objects: AsyncObjects) -> None:
        self._objects = objects
        self._prefix: str | None = None

    async def prefix(self) -> str:
        """Return the user's prefix with a slash at its end; empty if the user has no objects.

        The service names no prefix, but it lists an object by its key below the prefix, and by no other end
        of the key. So the longest such end tells the prefix.

        Raises:
            UploadsvcError: The service refuses or cannot be reached.
        """
        if self._prefix is None:
            first = await self._first("")
            self._prefix = "" if first is None else await self._before(first)
        return self._prefix

    async def relative(self, text: str) -> str:
        """Return the beginning of keys, relative to the user's prefix.

        Raises:
            UploadsvcError: The service refuses or cannot be reached.
        """
        if "/" not in text:
            return text
        prefix = await self.prefix()
        return "" if f"{text}/" == prefix else text.removeprefix(prefix)

    async def find(self, text: str) -> StoredObject:
        """Return an object.

        Raises:
            UploadsvcError: ``not_found``, or the service refuses or cannot be reached.
        """
        try:
            return await self._objects.get(text)
        except UploadsvcError as problem:
            if problem.code != _ELSEWHERE:
                raise
            prefix = await self.prefix()
            if not prefix or text.startswith(prefix):
                raise
            return await self._objects.get(prefix + text)

    async def _before(self, key: str) -> str:
        for index, character in enumerate(key):
            rest = key[index + 1 :]
            if character == "/" and rest and await self._first(rest) == key:
                return key[: index + 1]
        return ""

    async def _first(self, prefix: str) -> str | None:
        page = await self._objects.page(prefix=prefix, limit=1)
        return page.objects[0].key if page.objects else None
