"""Connections to a service and its S3, shared by all uploads of a client."""

import os
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
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

_PROXIES: Final = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})
_CERTIFICATES: Final = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR"})


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

    Raises:
        ValueError: The proxy or the certificates in the environment cannot be used.
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
        with _environment():
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


@contextmanager
def _environment() -> Iterator[None]:
    """Name the variables that httpx fails on. Proxies may contain passwords, so no value is quoted.

    Raises:
        ValueError: They cannot be used.
    """
    try:
        yield
    except OSError as error:
        message = f"the certificates in {_set(_CERTIFICATES)} cannot be read: {error.strerror}"
        raise ValueError(message) from None
    except ImportError:
        message = f"the SOCKS proxy in {_set(_PROXIES)} needs the package socksio"
        raise ValueError(message) from None
    except (ValueError, httpx.InvalidURL):
        message = f"the proxy in {_set(_PROXIES)} must look like http://proxy.example.com:3128"
        raise ValueError(message) from None


def _set(names: Container[str]) -> str:
    return " or ".join(name for name in os.environ if name.upper() in names) or "the environment"


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
