"""Rates of requests or uploads."""

import re
from math import floor
from typing import Final, NamedTuple

UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
"""Units of time, in seconds."""

MAX_AMOUNT: Final = 1_000_000_000

ALLOWED: Final = "a number from 1 up, and second, minute, hour or day, such as 600/minute"

_RATE: Final = re.compile(r"([0-9]{1,10})\s*/\s*(second|minute|hour|day)")


class Rate(NamedTuple):
    """A maximum number per window of time.

    Attributes:
        amount: Maximum number.
        unit: The window: a key of `UNITS`.
    """

    amount: int
    unit: str

    @property
    def seconds(self) -> int:
        """The window in seconds."""
        return UNITS[self.unit]


def parse_rate(text: str) -> Rate:
    """Parse a rate such as ``600/minute``.

    Raises:
        ValueError: The text has another form.
    """
    found = _RATE.fullmatch(text.strip().lower())
    if found is None or not 1 <= int(found[1]) <= MAX_AMOUNT:
        message = f"{text!r} is not a rate; write {ALLOWED}"
        raise ValueError(message)
    return Rate(int(found[1]), found[2])


class Counts(NamedTuple):
    """Counts of a sliding window. The previous window is weighted by the share that is not yet over.

    The first window starts with the first request.

    Attributes:
        previous: Number in the previous window.
        previous_left: Seconds until the previous window no longer counts.
        current: Number in this window.
        current_left: Seconds until this window ends.
    """

    previous: int
    previous_left: float
    current: int
    current_left: float

    def used(self, rate: Rate) -> int:
        """Return the current number."""
        return floor(self.previous * self.previous_left / rate.seconds) + self.current

    def free(self, rate: Rate) -> int:
        """Return how many more are possible now."""
        return max(0, rate.amount - self.used(rate))

    def wait(self, rate: Rate, cost: int) -> int:
        """Return the seconds until this many more are possible, at least 1, without other requests.

        If they are more than the rate allows, return the whole window.
        """
        window, room = rate.seconds, rate.amount - cost
        if room < 0:
            return window
        if room >= self.current:
            # The previous window still counts for too much. Its weighted count is rounded down.
            shares = (room - self.current + 1) * window / self.previous if self.previous else window
            seconds = self.previous_left - shares
        else:
            # In the next window, this one is the previous one.
            seconds = self.current_left + max(0.0, window - (room + 1) * window / self.current)
        # One second more if it divides evenly, because at that very moment it is not possible yet.
        return max(1, floor(seconds) + 1)


class Standing(NamedTuple):
    """State of a limit that a caller has reached.

    Attributes:
        name: Name of the limit.
        rate: The allowed rate.
        free: Remaining number.
        wait: Seconds after which to retry.
    """

    name: str
    rate: Rate
    free: int
    wait: int

    @classmethod
    def of(cls, name: str, rate: Rate, counts: Counts, cost: int) -> "Standing":
        """Return the standing for a request of this many."""
        return cls(name, rate, min(counts.free(rate), max(0, cost - 1)), counts.wait(rate, cost))
