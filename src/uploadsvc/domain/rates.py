"""Rates: how many requests or uploads one caller may make in a time."""

import re
from math import floor
from typing import Final, NamedTuple

UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
"""Units of time, in seconds."""

MAX_AMOUNT: Final = 1_000_000_000

ALLOWED: Final = "a number from 1 up, and second, minute, hour or day, such as 600/minute"

_RATE: Final = re.compile(r"([0-9]{1,10})\s*/\s*(second|minute|hour|day)")


class Rate(NamedTuple):
    """At most so many in a window of time.

    Attributes:
        amount: How many.
        unit: The window: a key of `UNITS`.
    """

    amount: int
    unit: str

    @property
    def seconds(self) -> int:
        """The window in seconds."""
        return UNITS[self.unit]


def parse_rate(text: str) -> Rate:
    """Return the rate that ``600/minute`` means.

    Raises:
        ValueError: The text has another form.
    """
    found = _RATE.fullmatch(text.strip().lower())
    if found is None or not 1 <= int(found[1]) <= MAX_AMOUNT:
        message = f"{text!r} is not a rate; write {ALLOWED}"
        raise ValueError(message)
    return Rate(int(found[1]), found[2])


class Counts(NamedTuple):
    """Counts of a sliding window: those of the window before count by the share that is not yet over.

    Windows follow one another, beginning with the first request.

    Attributes:
        previous: Number in the window before.
        previous_left: Seconds until the window before no longer counts.
        current: Number in this window.
        current_left: Seconds until this window ends.
    """

    previous: int
    previous_left: float
    current: int
    current_left: float

    def used(self, rate: Rate) -> int:
        """Return how many count at present."""
        return floor(self.previous * self.previous_left / rate.seconds) + self.current

    def free(self, rate: Rate) -> int:
        """Return how many more are possible at present."""
        return max(0, rate.amount - self.used(rate))

    def wait(self, rate: Rate, cost: int) -> int:
        """Return the seconds until so many more are possible, at least 1, if nobody else makes any.

        If they are more than the rate allows at once, that is never; then return the whole window.
        """
        window, room = rate.seconds, rate.amount - cost
        if room < 0:
            return window
        if room >= self.current:
            # The window before still counts for too much. What it counts for is rounded down.
            shares = (room - self.current + 1) * window / self.previous if self.previous else window
            seconds = self.previous_left - shares
        else:
            # In the next window, this one is the one before.
            seconds = self.current_left + max(0.0, window - (room + 1) * window / self.current)
        # A whole second more where it divides evenly: at that very moment it is not yet possible.
        return max(1, floor(seconds) + 1)


class Standing(NamedTuple):
    """One limit, as a caller who has reached it sees it.

    Attributes:
        name: Name of the limit.
        rate: What it allows.
        free: How many are left.
        wait: Seconds after which the caller should try again.
    """

    name: str
    rate: Rate
    free: int
    wait: int

    @classmethod
    def of(cls, name: str, rate: Rate, counts: Counts, cost: int) -> "Standing":
        """Return the standing of a caller who asked for so many."""
        return cls(name, rate, min(counts.free(rate), max(0, cost - 1)), counts.wait(rate, cost))
