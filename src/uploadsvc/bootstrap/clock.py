"""The clock, in one place so that a test can set it."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the time, aware."""
    return datetime.now(UTC)
