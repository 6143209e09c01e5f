"""Detect that the service or S3 cannot be reached, and tell the user."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import httpx

from uploadsvc.client.errors import Lost, UploadsvcError

FIRST_CONTACT: Final = 30.0
"""Seconds to keep trying a server that was never reached: its address is probably wrong."""

PATIENCE: Final = 3.0
"""Seconds without a connection before the user is told."""

_UNCONNECTED: Final = (httpx.ConnectError, httpx.ConnectTimeout)


class Contact:
    """Contact with one server, for all requests of a run.

    Args:
        name: Name of the server in messages.
        tell: Prints a line for the user.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, name: str, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._tell = tell
        self._clock = clock
        self._first_try: float | None = None
        self._was_reached = False
        self._was_told = False

    def reached(self) -> None:
        """Note that the server was reached."""
        self._was_reached, self._was_told = True, False

    @contextmanager
    def attempt(self, url: str) -> Iterator[None]:
        """Watch a request. Tells the user, once per outage, if no connection is made.

        Raises:
            Lost: The connection failed, or the response is malformed.
            UploadsvcError: ``network_error``: not reached since the first try, `FIRST_CONTACT` ago.
        """
        if self._first_try is None:
            self._first_try = self._clock()
        parsed = httpx.URL(url)
        # Without path and query, which may contain a signature.
        whom = f"{self._name} at {parsed.scheme}://{parsed.netloc.decode()}"
        timer = asyncio.get_running_loop().call_later(PATIENCE, self._say_unless_reached, whom)
        try:
            yield
        except (httpx.RequestError, UnicodeError) as error:
            # httpx decodes the host of a redirect even if it is not followed: UnicodeError.
            raise self._problem(whom, error, self._first_try) from None
        finally:
            timer.cancel()

    def _problem(self, whom: str, error: Exception, first_try: float) -> UploadsvcError:
        if isinstance(error, httpx.TransportError):
            detail = f"{whom} cannot be reached: {_reason(error)}."
        else:
            detail = f"{whom} sent a malformed response."
        if not self._was_reached and self._clock() - first_try >= FIRST_CONTACT:
            return UploadsvcError("network_error", detail)
        if not isinstance(error, _UNCONNECTED):
            return Lost(detail)
        return Lost(detail, on_retry=lambda: self._say(f"{detail} Trying again."))

    def _say_unless_reached(self, whom: str) -> None:
        if not self._was_reached:
            self._say(f"{whom} does not answer. Still trying.")

    def _say(self, line: str) -> None:
        if not self._was_told:
            self._was_told = True
            self._tell(line)


def _reason(error: httpx.TransportError) -> str:
    """Return the operating system's message, from the end of the exception chain; httpx's may be empty."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        elif isinstance(cause, (ssl.SSLError, socket.gaierror)) and cause.strerror:
            return cause.strerror
        elif isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno)
        else:
            cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.TimeoutException):
        return "it does not answer in time"
    return str(error) or type(error).__name__
