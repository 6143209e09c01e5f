"""Credentials asked for ahead of their end, so that no request waits for them and nothing signed is dead."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.errors import StorageUnavailable, UploadsvcError

EXPIRY_MARGIN: Final = timedelta(seconds=60)
"""A URL ends this long before the credentials that signed it."""

AHEAD: Final = timedelta(minutes=15)
"""New credentials are asked for this long before the old ones end, or halfway where they live shorter."""

RETRY: Final = timedelta(seconds=10)
"""Between two tries, while the old credentials still serve."""

COLD_RETRY: Final = timedelta(seconds=2)
"""After a try that failed, while none serve."""

_FOREVER: Final = datetime.max.replace(tzinfo=UTC)
_log = structlog.get_logger("uploadsvc.credentials")


def usable_until(credentials: Credentials) -> datetime | None:
    """Return when all that they sign must have ended, in whole seconds; ``None`` for never."""
    if credentials.expires_at is None:
        return None
    return (credentials.expires_at - EXPIRY_MARGIN).replace(microsecond=0)


def about_to_expire() -> StorageUnavailable:
    """Return the refusal to sign with credentials at their end."""
    return StorageUnavailable(
        "The credentials that sign are about to expire, and new ones are not there yet."
    )


def not_there_yet() -> StorageUnavailable:
    """Return the refusal to sign before there are any credentials."""
    return StorageUnavailable("The credentials that sign are not there yet.")


class CredentialSource:
    """Holds credentials, and asks for new ones in the background while the old ones still serve.

    However many call, one question is under way at most. Credentials without an end are never asked for
    again, as in all AWS SDKs: a changed file of keys is read at the next start.

    Args:
        fetch: Asks for credentials anew; it may raise anything, and is cut off at the deadline.
        clock: The time now, aware.
        deadline: Seconds that one question may take.
        patience: Seconds that a caller waits for its answer, where no credentials are at hand.
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
        """Return credentials that serve now; nothing is awaited while those at hand do.

        Raises:
            StorageUnavailable: The old ones are at their end, and new ones could not be had.
            UploadsvcError: There are none yet, for a reason that ``fetch`` gave.
        """
        now = self._clock()
        if self._held is not None and now < self._usable_until:
            if now >= self._ask_at:
                self.ask()
            return self._held
        # A clock set back must not make a long pause of this one.
        if self._failure is None or not timedelta(0) <= now - self._failed_at < COLD_RETRY:
            # Waited for rather than awaited: a caller that gives up must not take the others' answer away.
            await asyncio.wait({self.ask()}, timeout=self._patience)
            if self._held is not None and self._serves(self._clock()):
                return self._held
        failure = self._failure or (about_to_expire() if self._held else not_there_yet())
        # Many callers raise it: one object would gather the tracebacks of all.
        raise type(failure)(failure.detail)

    def ask(self) -> "asyncio.Task[None]":
        """Ask for new credentials in the background, unless that is under way.

        Returns:
            What asks. It never fails; what came of it shows in `current`.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return self._asking

    async def close(self) -> None:
        """Stop asking."""
        if self._timer is not None:
            self._timer.cancel()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(self._deadline):
                fetched = await self._fetch()
        except UploadsvcError as error:
            self._fail(error, cause=error.__cause__ or error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the old credentials still serve
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
            # A metadata service has new ones only some minutes before the end.
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
        # A session's end is settled when it begins: the same token with a later end is somebody's guess.
        same = held.session_token is not None and held.session_token == fetched.session_token
        return not same and fetched.expires_at > held.expires_at

    def _serves(self, now: datetime) -> bool:
        return self._held is not None and now < self._usable_until

    def _fail(self, failure: UploadsvcError, *, cause: BaseException) -> None:
        now = self._clock()
        # Never the cause's own message: a credential process may print anything into it.
        _log.warning(
            "credentials_not_refreshed",
            error=type(cause).__name__,
            detail=failure.detail,
            old_ones_serve=self._serves(now),
        )
        self._failure, self._failed_at = failure, now
        # Without any yet, whoever needs some asks again.
        self._ask_again(_FOREVER if self._held is None else now + RETRY)

    def _ask_again(self, at: datetime) -> None:
        self._ask_at = at
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at != _FOREVER:
            # For the time in which nobody calls: the next caller shall not wait either.
            delay = (at - self._clock()).total_seconds()
            self._timer = asyncio.get_running_loop().call_later(delay, self.ask)
