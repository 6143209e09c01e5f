"""Count quotas in a store that several processes share."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from uploadsvc.domain.quotas import Day, Excess, Quota, Wanted
from uploadsvc.limiting.local_quotas import MAX_ENTRIES, LocalLedger
from uploadsvc.limiting.quota_scripts import CLOSE_NAMED, NAME, RELEASE, RESERVE, SETTLE
from uploadsvc.limiting.store import Script, SharedStore, StoreDownError

KEPT_SECONDS: Final = 3600
"""Seconds to keep a day after its end, because the clocks of processes differ."""

MAX_MISSED: Final = 10_000
"""Maximum number of calls to repeat once the store is back."""

_FITS: Final = 0
_BYTES: Final = 1


class SharedLedger:
    """Counts in the store, exactly for all processes that share it. While it is down, each counts alone.

    Calls that finish uploads are repeated once the store is back. They are idempotent.

    Args:
        store: The store.
        prefix: Prefix of all keys.
        max_entries: Uploads of one account that are tracked one by one.
    """

    def __init__(self, store: SharedStore, *, prefix: str, max_entries: int = MAX_ENTRIES) -> None:
        self._store = store
        self._prefix = prefix
        self._max_entries = max_entries
        self._local = LocalLedger()
        self._missed: deque[Callable[[], Coroutine[Any, Any, Any]]] = deque(maxlen=MAX_MISSED)
        self._catching_up: asyncio.Task[None] | None = None

    async def reserve(
        self, account: str, quota: Quota, wanted: Sequence[Wanted], *, now: datetime
    ) -> list[Excess | None]:
        """Reserve for several uploads in order, each if it fits."""
        day = Day.of(now)
        arguments: list[str | int] = [
            int(now.timestamp()),
            day.ends - int(now.timestamp()) + KEPT_SECONDS,
            KEPT_SECONDS,
            -1 if quota.daily_bytes is None else quota.daily_bytes,
            -1 if quota.max_unfinished is None else quota.max_unfinished,
            self._max_entries,
        ]
        for one in wanted:
            arguments += [one.upload, one.size, one.ends]
        try:
            answer = await self._run(RESERVE, account, now, arguments)
        except StoreDownError:
            return await self._local.reserve(account, quota, wanted, now=now)
        self._catch_up()
        verdicts = zip(answer[::2], answer[1::2], wanted, strict=True)
        return [_excess(verdict, used, quota, one, day) for verdict, used, one in verdicts]

    async def settle(self, account: str, upload: str, size: int, *, now: datetime) -> None:
        """Replace the reserved bytes of an upload by those that were stored."""
        await self._local.settle(account, upload, size, now=now)
        await self._finish(lambda: self._run(SETTLE, account, now, [upload, size]))

    async def release(
        self, account: str, uploads: Iterable[str], *, now: datetime, begun: bool = True
    ) -> None:
        """Release the reservations of uploads that store nothing."""
        listed = list(uploads)
        await self._local.release(account, listed, now=now, begun=begun)
        await self._finish(lambda: self._run(RELEASE, account, now, [int(begun), *listed]))

    async def name(self, account: str, upload: str, name: str, *, now: datetime) -> None:
        """Record a second name of an unfinished multipart upload."""
        await self._local.name(account, upload, name, now=now)
        await self._finish(lambda: self._run(NAME, account, now, [upload, name]))

    async def close_named(self, account: str, name: str, *, brought_nothing: bool, now: datetime) -> None:
        """End a multipart upload that is known only by its second name."""
        await self._local.close_named(account, name, brought_nothing=brought_nothing, now=now)
        await self._finish(lambda: self._run(CLOSE_NAMED, account, now, [name, int(brought_nothing)]))

    async def _run(
        self, script: Script, account: str, now: datetime, arguments: Sequence[str | int]
    ) -> list[int]:
        # The braces keep the keys of an account together in a cluster:
        # https://valkey.io/topics/cluster-spec/#hash-tags
        base = f"{self._prefix}:{{{account}}}"
        keys = [f"{base}:{Day.of(now).name}", f"{base}:open", f"{base}:names"]
        answer: list[int] = await self._store.run(script, keys=keys, args=list(arguments))
        return answer

    async def _finish(self, step: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        try:
            await step()
        except StoreDownError:
            self._missed.append(step)
            return
        self._catch_up()

    def _catch_up(self) -> None:
        if self._missed and self._catching_up is None:
            self._catching_up = asyncio.get_running_loop().create_task(self._repeat_missed())

    async def settle_missed(self) -> None:
        """Wait for the calls that are being repeated, if any."""
        if self._catching_up is not None:
            await self._catching_up

    async def _repeat_missed(self) -> None:
        try:
            while self._missed:
                step = self._missed[0]
                await step()
                if self._missed and self._missed[0] is step:
                    self._missed.popleft()
        except StoreDownError:
            return
        finally:
            self._catching_up = None


def _excess(verdict: int, used: int, quota: Quota, wanted: Wanted, day: Day) -> Excess | None:
    if verdict == _FITS:
        return None
    if verdict == _BYTES:
        limit = quota.daily_bytes or 0
        return Excess("bytes_per_day", max(0, limit - used), None if wanted.size > limit else day.ends)
    return Excess("unfinished_uploads", 0, used or None)
