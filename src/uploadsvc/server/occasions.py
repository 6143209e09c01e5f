"""Rate-limit log lines for frequent events."""

import time
from collections.abc import Callable
from typing import Final

import structlog

PAUSE_SECONDS: Final = 10.0
"""Least seconds between two lines of one event."""

_log = structlog.get_logger("uploadsvc")


class Occasions:
    """An event of the log. A line says how often it has happened since the line before.

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
        """Count one, and log a line if the last one is long ago."""
        self._count += 1
        now = self._clock()
        if now >= self._next:
            _log.warning(self._event, count=self._count, **fields)
            self._count, self._next = 0, now + PAUSE_SECONDS
