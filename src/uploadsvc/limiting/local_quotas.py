"""Count quotas in the memory of one process."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from uploadsvc.domain.quotas import Day, Excess, Quota, Wanted

MAX_ENTRIES: Final = 10_000
"""Uploads of one account and day that are tracked one by one. Further ones stay as reserved."""

MAX_ACCOUNTS: Final = 40_000
MAX_REMEMBERED: Final = 150_000
"""Tracked uploads of all accounts: about 35 MB. The least recently used accounts are dropped first."""


@dataclass(slots=True)
class _Entry:
    size: int
    settled: bool = False


@dataclass(slots=True)
class _Account:
    """Usage of one user with one policy.

    Attributes:
        day: The day of the count.
        total: Bytes of that day: those of settled uploads, and those reserved for others.
        entries: Its uploads by UUID.
        open: Expiry times of unfinished multipart uploads by UUID, in Unix seconds.
        names: Second names of unfinished multipart uploads by UUID.
    """

    day: str = ""
    total: int = 0
    entries: dict[str, _Entry] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def remembered(self) -> int:
        return len(self.entries) + len(self.open)


class LocalLedger:
    """Counts in memory: exact for one process, lost when it ends.

    Args:
        max_entries: Uploads of one account that are tracked one by one.
        max_accounts: Maximum number of accounts.
        max_remembered: Maximum number of tracked uploads, over all accounts.
    """

    def __init__(
        self,
        *,
        max_entries: int = MAX_ENTRIES,
        max_accounts: int = MAX_ACCOUNTS,
        max_remembered: int = MAX_REMEMBERED,
    ) -> None:
        self._max_entries = max_entries
        self._max_accounts = max_accounts
        self._max_remembered = max_remembered
        self._accounts: dict[str, _Account] = {}
        self._remembered = 0

    def __len__(self) -> int:
        """Number of accounts."""
        return len(self._accounts)

    async def reserve(
        self, account: str, quota: Quota, wanted: Sequence[Wanted], *, now: datetime
    ) -> list[Excess | None]:
        """Reserve for several uploads in order, each if it fits. Idempotent."""
        with _Change(self, account, now) as one:
            for upload in [upload for upload, ends in one.open.items() if ends <= int(now.timestamp())]:
                _release(one, upload)
            return [self._reserve(one, quota, each, now) for each in wanted]

    async def settle(self, account: str, upload: str, size: int, *, now: datetime) -> None:
        """Replace the reserved bytes of an upload by those that were stored."""
        with _Change(self, account, now) as one:
            _close(one, upload)
            entry = one.entries.get(upload)
            if entry is not None:
                one.total += size - entry.size
                entry.size, entry.settled = size, True

    async def release(
        self, account: str, uploads: Iterable[str], *, now: datetime, begun: bool = True
    ) -> None:
        """Release the reservations of uploads that store nothing."""
        with _Change(self, account, now) as one:
            for upload in uploads:
                _release(one, upload, begun=begun)

    async def name(self, account: str, upload: str, name: str, *, now: datetime) -> None:
        """Record a second name of an unfinished multipart upload."""
        with _Change(self, account, now) as one:
            if upload in one.open:
                one.names[upload] = name

    async def close_named(self, account: str, name: str, *, brought_nothing: bool, now: datetime) -> None:
        """End a multipart upload that is known only by its second name."""
        with _Change(self, account, now) as one:
            for upload in [upload for upload, each in one.names.items() if each == name]:
                if brought_nothing:
                    _release(one, upload)
                else:
                    _close(one, upload)

    def _reserve(self, one: _Account, quota: Quota, wanted: Wanted, now: datetime) -> Excess | None:
        if wanted.upload in one.entries or wanted.upload in one.open:
            return None
        limit, most = quota.daily_bytes, quota.max_unfinished
        if limit is not None and one.total + wanted.size > limit:
            frees_at = None if wanted.size > limit else Day.of(now).ends
            return Excess("bytes_per_day", max(0, limit - one.total), frees_at)
        if most is not None and wanted.ends and len(one.open) >= most:
            return Excess("unfinished_uploads", 0, min(one.open.values(), default=None))
        if limit is not None:
            one.total += wanted.size
            if len(one.entries) < self._max_entries:
                one.entries[wanted.upload] = _Entry(wanted.size)
        if wanted.ends and len(one.open) < self._max_entries:
            one.open[wanted.upload] = wanted.ends
        return None

    def take(self, account: str, now: datetime) -> _Account:
        """Remove an account from memory and return its current state."""
        one = self._accounts.pop(account, None)
        if one is None:
            return _Account(day=Day.of(now).name)
        self._remembered -= one.remembered
        if one.day != (today := Day.of(now).name):
            one.day, one.total, one.entries = today, 0, {}
        return one

    def put_back(self, account: str, one: _Account) -> None:
        """Store an account as the most recently used; drop others if there are too many."""
        if not (one.total or one.remembered):
            return
        self._accounts[account] = one
        self._remembered += one.remembered
        while len(self._accounts) > self._max_accounts or self._remembered > self._max_remembered:
            first = next(iter(self._accounts))
            self._remembered -= self._accounts.pop(first).remembered


class _Change:
    def __init__(self, ledger: LocalLedger, account: str, now: datetime) -> None:
        self._ledger = ledger
        self._account = account
        self._now = now

    def __enter__(self) -> _Account:
        self._one = self._ledger.take(self._account, self._now)
        return self._one

    def __exit__(self, *_: object) -> None:
        self._ledger.put_back(self._account, self._one)


def _close(one: _Account, upload: str) -> None:
    one.open.pop(upload, None)
    one.names.pop(upload, None)


def _release(one: _Account, upload: str, *, begun: bool = True) -> None:
    _close(one, upload)
    entry = one.entries.get(upload)
    if entry is not None and not entry.settled:
        one.total -= entry.size
        # A request that started before its URL expired can still finish: then its bytes count.
        entry.size = 0
        if not begun:
            del one.entries[upload]
