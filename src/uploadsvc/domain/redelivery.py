"""Schedule of further attempts to deliver an event.

Standard Webhooks' schedule, within the limits of SQS:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#deliverability-and-reliability
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
"""

import math
from typing import Final

SCHEDULE: Final = (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
"""Seconds between attempts."""

ATTEMPTS: Final = len(SCHEDULE) + 1
"""Attempts to deliver an event. The last one ends more than a day after the first."""

MAX_INVISIBLE: Final = 43_200
"""Maximum seconds for which an SQS message can be invisible after its receive."""

MAX_DELAY: Final = 900
"""Maximum delay of a new SQS message in seconds."""

_SPREAD: Final = 0.1
"""Maximum jitter as a share of a pause, so that deliveries that failed together are not retried together."""


def pause(
    attempt: int, *, jitter: float, retry_after: float | None = None, age: float = 0, unit: float = 1
) -> int | None:
    """Return the whole seconds until the next attempt, or ``None`` after the last one.

    Args:
        attempt: Number of the attempt that failed, from 1.
        jitter: From 0 to 1, at random.
        retry_after: Minimum seconds to wait, from the receiver.
        age: Seconds since the message was received.
        unit: Length of a second of the schedule.
    """
    if attempt >= ATTEMPTS:
        return None
    base = max(SCHEDULE[max(attempt, 1) - 1] * unit, retry_after or 0)
    return min(math.ceil(base + base * _SPREAD * jitter), math.floor(MAX_INVISIBLE - age))


def postponed(times: int, *, jitter: float, unit: float = 1) -> int:
    """Return the seconds before another attempt at a busy receiver.

    They increase up to `MAX_DELAY`, so that events for one receiver do not keep the queue busy.

    Args:
        times: Number of times that it was busy, from 1.
        jitter: From 0 to 1, at random.
        unit: Length of a second of the schedule.
    """
    base = min(SCHEDULE[0] * unit * (1 << min(times - 1, 10)), MAX_DELAY)
    return min(math.ceil(base + base * _SPREAD * jitter), MAX_DELAY)
