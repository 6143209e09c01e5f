"""How often, and after how long, something is tried again."""

import asyncio
import random
from dataclasses import dataclass
from typing import Final

from uploadsvc.client.errors import Transient

_LONGEST_RETRY_AFTER: Final = 120.0
"""Seconds; who asks for more is not waited for any longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Exponential backoff with full jitter.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Attributes:
        most: How often one request is tried again.
        first: The longest wait before the first of them, in seconds; it doubles.
        longest: The longest wait of all, in seconds.
    """

    most: int = 10
    first: float = 0.5
    longest: float = 30.0

    def delay(self, tried: int, *, retry_after: float = 0.0) -> float:
        """Return the seconds to wait.

        Args:
            tried: How often it failed so far, counted from 1.
            retry_after: What the server asked for, in seconds; never less is waited.
        """
        bound = min(self.longest, self.first * 2.0 ** (tried - 1))
        wait = random.uniform(0, bound)  # noqa: S311 - spreads clients over time; no secret
        return min(retry_after, _LONGEST_RETRY_AFTER) + wait

    def start(self) -> "Attempts":
        """Count the attempts of one request."""
        return Attempts(self)


class Attempts:
    """The attempts of one request so far."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._failed = 0

    async def failed(self, problem: Transient) -> None:
        """Wait before the next one.

        Raises:
            Transient: The problem, where there have been enough.
        """
        self._failed += 1
        if self._failed > self._retries.most:
            raise problem
        await asyncio.sleep(self._retries.delay(self._failed, retry_after=problem.retry_after))
