"""``uploadsvc ls``."""

import json
import sys
from dataclasses import dataclass
from datetime import datetime

from uploadsvc.client.connection import Connection
from uploadsvc.client.display import Display, plain
from uploadsvc.client.errors import UploadsvcError
from uploadsvc.client.keys import Keys
from uploadsvc.client.models import ListedObject
from uploadsvc.client.objects import AsyncObjects

_KIB = 1024
_UNITS = ("KiB", "MiB", "GiB", "TiB")
_PAGE = 1000
"""Maximum number of objects on a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Objects to list, and the format.

    Attributes:
        prefix: Beginning of the keys.
        limit: Maximum number of objects; ``None`` for all.
        details: Show sizes, times and the total.
        exact: Show sizes in bytes.
        as_json: Print a JSON object for each.
    """

    prefix: str
    limit: int | None = None
    details: bool = False
    exact: bool = False
    as_json: bool = False

    async def run(self, connection: Connection, display: Display) -> int:
        """Print the objects, page by page, and return the exit status."""
        async with connection.session(display.tell) as session:
            objects = AsyncObjects(session)
            try:
                count, size, more = await self._print(objects, await Keys(objects).relative(self.prefix))
            except UploadsvcError as problem:
                if self.as_json:
                    display.failed(self.prefix, problem)
                else:
                    display.tell(problem.detail)
                return 1
        if self.details and not self.as_json:
            display.tell(f"{count} object{'' if count == 1 else 's'}, {self._size(size).strip()}")
        if more:
            display.tell(f"there are more than {self.limit} objects; raise --limit")
        return 0

    async def _print(self, objects: AsyncObjects, prefix: str) -> tuple[int, int, bool]:
        count, size, cursor = 0, 0, None
        while True:
            left = _PAGE if self.limit is None else self.limit - count
            page = await objects.page(prefix=prefix, cursor=cursor, limit=min(_PAGE, left))
            lines = [self._line(one) for one in page.objects]
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()
            count += len(page.objects)
            size += sum(one.size for one in page.objects)
            cursor = page.cursor
            if cursor is None or count == self.limit:
                return count, size, cursor is not None

    def _line(self, one: ListedObject) -> str:
        if self.as_json:
            stored = one.last_modified.isoformat()
            return json.dumps({"key": one.key, "size": one.size, "etag": one.etag, "last_modified": stored})
        if not self.details:
            return plain(one.key)
        return f"{self._size(one.size)}  {_local(one.last_modified):%Y-%m-%d %H:%M}  {plain(one.key)}"

    def _size(self, size: int) -> str:
        return f"{size:>13}" if self.exact else f"{for_people(size):>10}"


def _local(time: datetime) -> datetime:
    try:
        return time.astimezone()
    except (OverflowError, ValueError):
        # At the ends of the calendar; some servers use them for "never".
        return time


def for_people(size: int) -> str:
    """Return a size in the largest unit that gives at least 1."""
    if size < _KIB:
        return f"{size} B"
    value = float(size)
    for unit in _UNITS:
        value /= _KIB
        # What would be shown as 1024.0 is 1.0 of the next unit.
        if round(value, 1) < _KIB or unit == _UNITS[-1]:
            break
    return f"{value:.1f} {unit}"
