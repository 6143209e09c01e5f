"""Credentials that are renewed before they expire, so that no request waits and no signed URL dies early."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.errors import StorageUnavailable, UploadsvcError

EXPIRY_MARGIN: Final = timedelta(seconds=60)
"""Time between the end of a URL and that of the credentials that signed it."""

AHEAD: Final = timedelta(minutes=15)
"""Time before their end at which credentials are renewed; halfway through shorter lifetimes."""

RETRY: Final = timedelta(seconds=10)
"""Pause between two fetches while the old credentials still work."""

COLD_RETRY: Final = timedelta(seconds=2)
"""Pause after a failed fetch while no credentials work."""

_FOREVER: Final = datetime.max.replace(tzinfo=UTC)
_log = structlog.get_logger("uploadsvc.credentials")


def usable_until(credentials: Credentials) -> datetime | None:
    """Return the latest end of anything signed with them, in whole seconds; ``None`` for no limit."""
    if credentials.expires_at is None:
        return None
    return (credentials.expires_at - EXPIRY_MARGIN).replace(microsecond=0)


def about_to_expire() -> StorageUnavailable:
    """Return the error for credentials that are too close to their end."""
    return StorageUnavailable(
        "The credentials that sign are about to expire, and new ones are not there yet."
    )


def not_there_yet() -> StorageUnavailable:
    """Return the error for credentials that were never fetched."""
    return StorageUnavailable("The credentials that sign are not there yet.")


class CredentialSource:
    """Holds credentials, and fetches new ones in the background while the old ones still work.

    At most one fetch is under way. Credentials that do not expire are never fetched again, as in all AWS
    SDKs: a changed credentials file is read at the next start.

    Args:
        fetch: Fetches credentials; it may raise anything, and is cancelled at the deadline.
        clock: The time now, aware.
        deadline: Seconds that one fetch may take.
        patience: Seconds that a caller waits for a fetch when there are no credentials.
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
        """Return credentials that work now, without waiting if there are any.

        Raises:
            StorageUnavailable: The old ones expire, and new ones could not be fetched.
            UploadsvcError: There are none yet, for the reason that ``fetch`` raised.
        """
        now = self._clock()
        if self._held is not None and now < self._usable_until:
            if now >= self._ask_at:
                self.ask()
            return self._held
        # A clock that is set back must not prolong the pause.
        if self._failure is None or not timedelta(0) <= now - self._failed_at < COLD_RETRY:
            # `wait` leaves the task alone when a caller is cancelled: others wait for it too.
            await asyncio.wait({self.ask()}, timeout=self._patience)
            if self._held is not None and self._serves(self._clock()):
                return self._held
        failure = self._failure or (about_to_expire() if self._held else not_there_yet())
        # A new object for each caller: a shared one would collect all tracebacks.
        raise type(failure)(failure.detail)

    def seconds_left(self) -> float | None:
        """Return the seconds until the credentials expire; ``None`` if they do not, or there are none."""
        if self._held is None or self._held.expires_at is None:
            return None
        return (self._held.expires_at - self._clock()).total_seconds()

    def ask(self) -> "asyncio.Task[None]":
        """Fetch new credentials in the background, unless a fetch is under way.

        Returns:
            The fetch, which never raises; `current` tells its result.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return self._asking

    async def close(self) -> None:
        """Cancel the fetch and the timer."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})
        # Last: a fetch that ended just before has set it.
        if self._timer is not None:
            self._timer.cancel()

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(self._deadline):
                fetched = await self._fetch()
        except UploadsvcError as error:
            self._fail(error, cause=error.__cause__ or error)
        except Exception as error:  # noqa: BLE001 - the old credentials still work
            self._fail(StorageUnavailable("The credentials that sign could not be fetched."), cause=error)
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
            # A metadata service offers new ones only a few minutes before the end.
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
        # A session's end never changes: the same token with a later end is a guess.
        same = held.session_token is not None and held.session_token == fetched.session_token
        return not same and fetched.expires_at > held.expires_at

    def _serves(self, now: datetime) -> bool:
        return self._held is not None and now < self._usable_until

    def _fail(self, failure: UploadsvcError, *, cause: BaseException) -> None:
        now = self._clock()
        # Leave out the cause's message: a credential process may print anything into it.
        _log.warning(
            "credentials_not_refreshed",
            error=type(cause).__name__,
            detail=failure.detail,
            old_ones_serve=self._serves(now),
        )
        self._failure, self._failed_at = failure, now
        # Without credentials, the next caller fetches again.
        self._ask_again(_FOREVER if self._held is None else now + RETRY)

    def _ask_again(self, at: datetime) -> None:
        self._ask_at = at
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at != _FOREVER:
            # Renews between calls, so that the next caller does not wait.
            delay = (at - self._clock()).total_seconds()
            # In a context of its own: it is not part of the request that happened to set the timer.
            self._timer = asyncio.get_running_loop().call_later(delay, self.ask, context=Context())
