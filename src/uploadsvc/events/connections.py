"""Connections to receivers, to no other addresses than those that were checked (SSRF)."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import httpcore
import httpx

from uploadsvc.domain.addresses import may_connect

CONNECT_SECONDS: Final = 5.0
"""Seconds for the connection to one address, if the name has others."""

_KEEPALIVE_SECONDS: Final = 2.0
"""Less than receivers keep connections open, which is 5 s in Node.js and uvicorn."""

_KEPT: Final = 64

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a name."""


class AddressRefusedError(httpcore.ConnectError):
    """A name has an address to which webhooks may not connect."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, in the order in which to try them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Connections:
    """A pool of connections to receivers, by no proxy.

    Args:
        private: Allow addresses of private networks and of this machine.
        resolve: Returns the addresses of a name.
    """

    def __init__(self, *, private: bool, resolve: Resolve = resolve) -> None:
        self._backend = _CheckedBackend(private=private, resolve=resolve)
        self._pool: httpcore.AsyncConnectionPool | None = None

    @property
    def pool(self) -> httpcore.AsyncConnectionPool:
        """The open pool.

        Raises:
            RuntimeError: It is not open.
        """
        if self._pool is None:
            message = "the connections to receivers are not open: run the app's lifespan"
            raise RuntimeError(message)
        return self._pool

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Open the pool, and close it at the end."""
        async with httpcore.AsyncConnectionPool(
            # Certificates of SSL_CERT_FILE, or those of certifi.
            ssl_context=httpx.create_ssl_context(),
            max_connections=None,
            max_keepalive_connections=_KEPT,
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=self._backend,
        ) as pool:
            self._pool = pool
            try:
                yield
            finally:
                self._pool = None


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to an address that it has checked; TLS still verifies the name."""

    def __init__(self, *, private: bool, resolve: Resolve) -> None:
        self._private = private
        self._resolve = resolve
        self._inner = httpcore.AnyIOBackend()
        self._lookups: dict[tuple[str, int], asyncio.Task[Sequence[str]]] = {}

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        del timeout
        addresses = await self._addresses(host, port)
        last = addresses.pop()
        for address in addresses:
            try:
                return await self._inner.connect_tcp(
                    address, port, CONNECT_SECONDS, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(last, port, None, local_address, socket_options)

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = await self._look_up(host, port)
        except (OSError, UnicodeError) as error:
            message = "DNS does not know its name"
            raise httpcore.ConnectError(message) from error
        allowed = [address for address in found if may_connect(address, private=self._private)]
        if len(allowed) < len(found) or not allowed:
            message = "its address is not public"
            raise AddressRefusedError(message)
        return allowed

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        # One at a time for each name: a slow DNS server must not take the threads of all lookups.
        name = host, port
        lookup = self._lookups.get(name)
        if lookup is None:
            lookup = self._lookups[name] = asyncio.ensure_future(self._resolve(host, port))
            lookup.add_done_callback(lambda done: self._forget(name, done))
        return await asyncio.shield(lookup)

    def _forget(self, name: tuple[str, int], lookup: "asyncio.Task[Sequence[str]]") -> None:
        del self._lookups[name]
        if not lookup.cancelled():
            # Everyone who waited may have been cancelled.
            lookup.exception()
