"""Renew credentials before they expire, so that no request waits and no signed URL expires early."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.errors import StorageUnavailable, UploadsvcError

EXPIRY_MARGIN: Final = timedelta(seconds=60)
"""Minimum time from the expiry of a URL to that of the credentials that signed it."""

AHEAD: Final = timedelta(minutes=15)
"""Time before expiry to renew credentials; with shorter lifetimes, halfway."""

RETRY: Final = timedelta(seconds=10)
"""Pause between fetches while the old credentials still work."""

COLD_RETRY: Final = timedelta(seconds=2)
"""Pause after a failed fetch while no credentials work."""

_FOREVER: Final = datetime.max.replace(tzinfo=UTC)
_log = structlog.get_logger("uploadsvc.credentials")


def usable_until(credentials: Credentials) -> datetime | None:
    """Return the latest expiry time of signatures, in whole seconds; ``None`` for no limit."""
    if credentials.expires_at is None:
        return None
    return (credentials.expires_at - EXPIRY_MARGIN).replace(microsecond=0)


def about_to_expire() -> StorageUnavailable:
    """Return the error for credentials that are about to expire."""
    return StorageUnavailable("The signing credentials are about to expire, and there are no new ones yet.")


def not_there_yet() -> StorageUnavailable:
    """Return the error for credentials that were never fetched."""
    return StorageUnavailable("The signing credentials are not available yet.")


class CredentialSource:
    """Keeps credentials, and fetches new ones in the background while the old ones still work.

    At most one fetch runs at a time. Credentials that do not expire are never fetched again, as in all AWS
    SDKs: a changed credentials file takes effect at the next start.

    Args:
        fetch: Fetches credentials. It may raise anything, and is cancelled at the deadline.
        clock: Returns the current time, aware.
        deadline: Maximum duration of a fetch in seconds.
        patience: Seconds that a caller waits for a fetch if there are no credentials.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Credentials]],
        *,
        clock: Callable[[], datetime],
        deadline: float,
        patience: float,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._deadline = deadline
        self._patience = patience
        self._held: Credentials | None = None
        self._usable_until = _FOREVER
        self._ask_at = _FOREVER
        self._failure: UploadsvcError | None = None
        self._failed_at = _FOREVER
        self._asking: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def current(self) -> Credentials:
        """Return valid credentials, without waiting if there are any.

        Raises:
            StorageUnavailable: They are about to expire, and new ones could not be fetched.
            UploadsvcError: There are none yet; the error that ``fetch`` raised.
        """
        now = self._clock()
        if self._held is not None and now < self._usable_until:
            if now >= self._ask_at:
                self.ask()
            return self._held
        # Setting the clock back must not prolong the pause.
        if self._failure is None or not timedelta(0) <= now - self._failed_at < COLD_RETRY:
            # Unlike awaiting the task, `wait` does not cancel it with the caller: others wait for it too.
            await asyncio.wait({self.ask()}, timeout=self._patience)
            if self._held is not None and self._serves(self._clock()):
                return self._held
        failure = self._failure or (about_to_expire() if self._held else not_there_yet())
        # A new exception for each caller: a shared one would collect all tracebacks.
        raise type(failure)(failure.detail)

    def seconds_left(self) -> float | None:
        """Return the seconds until the credentials expire; ``None`` if they do not, or if there are none."""
        if self._held is None or self._held.expires_at is None:
            return None
        return (self._held.expires_at - self._clock()).total_seconds()

    def ask(self) -> "asyncio.Task[None]":
        """Fetch new credentials in the background, unless a fetch is running.

        Returns:
            The fetch, which never raises. `current` has its result.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return self._asking

    async def close(self) -> None:
        """Cancel the fetch and the timer."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})
        # Cancelled last, because a fetch that has just ended may have set it.
        if self._timer is not None:
            self._timer.cancel()

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(self._deadline):
                fetched = await self._fetch()
        except UploadsvcError as error:
            self._fail(error, cause=error.__cause__ or error)
        except Exception as error:  # noqa: BLE001 - the old credentials still work
            self._fail(StorageUnavailable("The signing credentials could not be fetched."), cause=error)
        else:
            self._take(fetched)

    def _take(self, fetched: Credentials) -> None:
        now = self._clock()
        newer = self._is_newer(fetched)
        if newer:
            self._held, self._usable_until = fetched, usable_until(fetched) or _FOREVER
            self._failure = None
        if not self._serves(now):
            failure = about_to_expire()
            self._fail(failure, cause=failure)
        elif not newer:
            # A metadata service issues new ones only a few minutes before expiry.
            self._ask_again(now + RETRY)
        elif self._usable_until == _FOREVER:
            self._ask_again(_FOREVER)
        else:
            left = self._usable_until - now
            self._ask_again(now + max(left - (AHEAD - EXPIRY_MARGIN), left / 2))

    def _is_newer(self, fetched: Credentials) -> bool:
        held = self._held
        if held is None or held.expires_at is None or fetched.expires_at is None:
            return True
        # The expiry time of a session never changes: a later one for the same token is a guess.
        same = held.session_token is not None and held.session_token == fetched.session_token
        return not same and fetched.expires_at > held.expires_at

    def _serves(self, now: datetime) -> bool:
        return self._held is not None and now < self._usable_until

    def _fail(self, failure: UploadsvcError, *, cause: BaseException) -> None:
        now = self._clock()
        # The cause's message is left out: it may contain any output of a credential process.
        _log.warning(
            "credentials_not_refreshed",
            error=type(cause).__name__,
            detail=failure.detail,
            old_ones_serve=self._serves(now),
        )
        self._failure, self._failed_at = failure, now
        # Without credentials, the next caller starts a fetch.
        self._ask_again(_FOREVER if self._held is None else now + RETRY)

    def _ask_again(self, at: datetime) -> None:
        self._ask_at = at
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at != _FOREVER:
            # Renew between calls, so that the next caller does not wait.
            delay = (at - self._clock()).total_seconds()
            # In its own context: it does not belong to the request that happened to set the timer.
            self._timer = asyncio.get_running_loop().call_later(delay, self.ask, context=Context())
