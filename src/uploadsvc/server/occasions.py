"""Rate-limit log lines for frequent events."""

import time
from collections.abc import Callable
from typing import Final

import structlog

PAUSE_SECONDS: Final = 10.0
"""Minimum seconds between two lines of one event."""

_log = structlog.get_logger("uploadsvc")


class Occasions:
    """A log event. Each line says how often it has happened since the last one.

    Args:
        event: Name of the event.
        clock: Returns seconds.
    """

    def __init__(self, event: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._event = event
        self._clock = clock
        self._count = 0
        self._next = 0.0

    def add(self, **fields: object) -> None:
        """Count one, and log a line unless there was one recently."""
        self._count += 1
        now = self._clock()
        if now >= self._next:
            _log.warning(self._event, count=self._count, **fields)
            self._count, self._next = 0, now + PAUSE_SECONDS
