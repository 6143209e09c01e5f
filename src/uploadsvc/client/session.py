"""Connections to a service and its S3, shared by all uploads of a client."""

from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import httpx

from uploadsvc.client.api import UploadsApi
from uploadsvc.client.auth import Caller
from uploadsvc.client.contact import Contact
from uploadsvc.client.errors import Retries
from uploadsvc.client.transfer import Transfer

# When the last byte of a part is "sent", the whole part may still be in buffers.
TIMEOUT: Final = httpx.Timeout(60.0, connect=15.0, pool=None)


class Session:
    """Connections to a service and to S3.

    Args:
        url: URL of the service, as `service_url` returns it.
        caller: Credentials.
        retries: Retries of each request.
        parallel: Maximum of concurrent requests to S3.
        tell: Prints a line for the user.
        timeout: Timeouts of connections.
        http: HTTP client to use instead. It is not closed.
    """

    def __init__(
        self,
        url: str,
        caller: Caller,
        *,
        retries: Retries,
        parallel: int,
        tell: Callable[[str], None],
        timeout: float | httpx.Timeout = TIMEOUT,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=parallel)
        service = http or httpx.AsyncClient(timeout=timeout)
        s3 = http or httpx.AsyncClient(timeout=timeout, limits=limits)
        self._own = (service, s3) if http is None else ()
        self.url = url
        self.api = UploadsApi(service, caller, retries, Contact("The service", tell), url=url)
        self.transfer = Transfer(s3, parallel, Contact("S3", tell))

    async def close(self) -> None:
        """Close the connections."""
        for client in self._own:
            await client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def service_url(url: str) -> str:
    """Check the URL of a service, and remove a trailing slash.

    Raises:
        ValueError: The URL is malformed. The message does not quote it.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.query or parsed.fragment:
        message = "the URL of the service must look like https://uploads.example.com"
        raise ValueError(message)
    if parsed.userinfo:
        # They would replace the token, and be saved in the state file.
        message = "the URL of the service must not contain user and password"
        raise ValueError(message)
    return str(parsed).rstrip("/")
