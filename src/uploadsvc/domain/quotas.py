"""Quotas: bytes per user and day, and unfinished multipart uploads."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

QuotaName = Literal["bytes_per_day", "unfinished_uploads"]

MAX_DAILY_BYTES: Final = 2**50
"""Larger quotas could not be counted exactly, because Lua's integers are exact up to 2**53."""

MAX_UNFINISHED: Final = 10_000

ANY_POLICY: Final = "*"

_MAX_POLICIES: Final = 100
_SECONDS: Final = 86_400
_UNITS: Final = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
_BINARY_UNITS: Final = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_DAILY_BYTES: Final = re.compile(
    r"\s*([0-9]{1,18})\s*(?:([KMGT]?)B|([KMGT])iB)?\s*/\s*day\s*", re.IGNORECASE | re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Quota of a user under a policy. ``None`` for no limit.

    Attributes:
        daily_bytes: Bytes of the uploads created in one day, UTC.
        max_unfinished: Multipart uploads that are neither completed, aborted nor expired.
    """

    daily_bytes: int | None = None
    max_unfinished: int | None = None

    @property
    def unlimited(self) -> bool:
        """Whether it limits nothing."""
        return self.daily_bytes is None and self.max_unfinished is None


QuotaChange = Mapping[str, int | None]
"""Fields of a `Quota` to use instead of the policy's."""

UNLIMITED: Final = Quota()


class Wanted(NamedTuple):
    """Demand of an upload on a quota.

    Attributes:
        upload: UUID of the upload.
        size: Size in bytes, or the maximum.
        ends: Expiry time of a multipart upload in Unix seconds; 0 for other uploads.
    """

    upload: str
    size: int
    ends: int = 0


class Excess(NamedTuple):
    """Reason why an upload does not fit.

    Attributes:
        quota: Name of the quota.
        left: Remaining bytes or multipart uploads.
        frees_at: Time at which the upload would fit, in Unix seconds; ``None`` for never.
    """

    quota: QuotaName
    left: int
    frees_at: int | None


class Day(NamedTuple):
    """A calendar day in UTC.

    Attributes:
        name: The day, as ``20261128``.
        ends: Its end in Unix seconds.
    """

    name: str
    ends: int

    @classmethod
    def of(cls, now: datetime) -> "Day":
        """Return the day of an aware time."""
        return _day(int(now.timestamp()) // _SECONDS)


# Formatting a day takes longer than counting an upload.
@lru_cache(maxsize=8)
def _day(number: int) -> Day:
    """Return a day by its number since 1970."""
    start = number * _SECONDS
    return Day(f"{datetime.fromtimestamp(start, UTC):%Y%m%d}", start + _SECONDS)


def parse_daily_bytes(text: str) -> int:
    """Parse ``"10GiB/day"``, ``"500 MB/day"`` or ``"1048576/day"``.

    Raises:
        ValueError: It has another form, or is above `MAX_DAILY_BYTES`.
    """
    found = _DAILY_BYTES.fullmatch(text)
    if found is None:
        message = "must be a size a day, such as '10GiB/day'"
        raise ValueError(message)
    number, decimal, binary = found.groups()
    size = int(number) * (_BINARY_UNITS[binary.upper()] if binary else _UNITS[(decimal or "").upper()])
    if size > MAX_DAILY_BYTES:
        message = f"must be at most {MAX_DAILY_BYTES} bytes (1 PiB) a day"
        raise ValueError(message)
    return size


def changed(quota: Quota, changes: Mapping[str, QuotaChange] | None, policy: str) -> Quota:
    """Return the quota of a user under a policy.

    Args:
        quota: The policy's quota.
        changes: The user's own quotas by policy, with ``*`` for policies that are not named.
        policy: Name of the policy.
    """
    if not changes:
        return quota
    found = changes.get(policy, changes.get(ANY_POLICY))
    return replace(quota, **found) if found else quota


def parse_changes(value: object) -> dict[str, QuotaChange]:
    """Parse a user's own quotas from a token's claim.

    A missing field has the policy's value, and null means no limit:
    ``{"default": {"quota": "20GiB/day", "max_unfinished": null}}``.

    Raises:
        ValueError: It has another form. The message does not quote it.
    """
    if not isinstance(value, dict) or len(value) > _MAX_POLICIES:
        message = f"an object of at most {_MAX_POLICIES} policies"
        raise ValueError(message)
    return {str(policy): _parse_change(one) for policy, one in value.items()}


def _parse_change(value: object) -> QuotaChange:
    if not isinstance(value, dict) or not value.keys() <= {"quota", "max_unfinished"}:
        message = "an object with quota and max_unfinished for each policy"
        raise ValueError(message)
    change: dict[str, int | None] = {}
    if "quota" in value:
        size = value["quota"]
        if size is not None and not isinstance(size, str):
            message = "a string such as '10GiB/day', or null, as quota"
            raise ValueError(message)
        change["daily_bytes"] = None if size is None else parse_daily_bytes(size)
    if "max_unfinished" in value:
        most = value["max_unfinished"]
        # True is an int in Python, but not a number in JSON.
        if most is not None and (type(most) is not int or not 0 <= most <= MAX_UNFINISHED):
            message = f"0 to {MAX_UNFINISHED}, or null, as max_unfinished"
            raise ValueError(message)
        change["max_unfinished"] = most
    return change


def changes_json(changes: Mapping[str, QuotaChange]) -> dict[str, dict[str, Any]]:
    """Reverse `parse_changes`."""
    return {policy: _change_json(change) for policy, change in changes.items()}


def _change_json(change: QuotaChange) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if "daily_bytes" in change:
        size = change["daily_bytes"]
        body["quota"] = None if size is None else f"{size}/day"
    if "max_unfinished" in change:
        body["max_unfinished"] = change["max_unfinished"]
    return body
