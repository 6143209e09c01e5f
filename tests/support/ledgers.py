"""What a ledger must hold, computed from all that was done to it."""

from dataclasses import dataclass, field
from datetime import datetime

from uploadsvc.domain.quotas import Day, Excess, Quota, Wanted

HOUR = 3600


@dataclass
class Upload:
    """An upload, as the model knows it."""

    day: str
    size: int
    ends: int
    bytes_counted: bool
    settled: bool = False
    released: bool = False
    forgotten: bool = False
    closed: bool = False
    name: str = ""


@dataclass
class Model:
    """One account: every upload that was ever reserved, and nothing that is added up."""

    uploads: dict[str, Upload] = field(default_factory=dict)

    def total(self, now: datetime) -> int:
        """Return the bytes that count now."""
        today = Day.of(now).name
        return sum(
            one.size
            for one in self.uploads.values()
            if one.day == today and one.bytes_counted and not one.released
        )

    def open(self) -> list[Upload]:
        """Return the unfinished multipart uploads."""
        return [one for one in self.uploads.values() if one.ends and not one.closed]

    def reserve(self, quota: Quota, wanted: list[Wanted], now: datetime) -> list[Excess | None]:
        """Reserve by the definition of a quota."""
        for one in self.open():
            if one.ends <= int(now.timestamp()):
                self._release(one)
        return [self._reserve(quota, each, now) for each in wanted]

    def _reserve(self, quota: Quota, wanted: Wanted, now: datetime) -> Excess | None:
        day, total, limit = Day.of(now), self.total(now), quota.daily_bytes
        if limit is not None and total + wanted.size > limit:
            left = max(0, limit - total)
            return Excess("bytes_per_day", left, None if wanted.size > limit else day.ends)
        unfinished = self.open()
        if wanted.ends and quota.max_unfinished is not None and len(unfinished) >= quota.max_unfinished:
            first = min((one.ends for one in unfinished), default=None)
            return Excess("unfinished_uploads", 0, first)
        self.uploads[wanted.upload] = Upload(day.name, wanted.size, wanted.ends, limit is not None)
        return None

    def settle(self, upload: str, size: int, now: datetime) -> None:
        """Count what came."""
        one = self.uploads[upload]
        one.closed = True
        if one.day == Day.of(now).name and not one.forgotten:
            one.size, one.settled, one.released = size, True, False

    def release(self, upload: str, *, begun: bool) -> None:
        """Nothing came, or nothing can come."""
        one = self.uploads[upload]
        self._release(one)
        one.forgotten = one.forgotten or (not begun and not one.settled)

    def close_named(self, name: str, *, brought_nothing: bool) -> None:
        """Close by the other name."""
        for one in self.open():
            if one.name == name:
                one.closed = True
                one.released = one.released or (brought_nothing and not one.settled)

    @staticmethod
    def _release(one: Upload) -> None:
        one.closed = True
        one.released = one.released or not one.settled
