"""Connections to receivers, only to checked addresses (SSRF)."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Final

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult

from uploadsvc.domain.addresses import may_connect

_KEEPALIVE_SECONDS: Final = 2.0
"""Less than the keep-alive timeout of receivers: 5 s in Node.js and uvicorn."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Resolves a name to addresses."""


class AddressRefusedError(aiohttp.ClientError):
    """The name has an address that webhooks may not connect to."""

    def __init__(self) -> None:
        super().__init__("its address is not public")


async def resolve(host: str, port: int) -> Sequence[str]:
    """Resolve a name to addresses, in the order to try them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Connections:
    """Connections to receivers, without proxies and cookies.

    Args:
        private: Allow addresses of private networks and of this machine.
        resolve: Resolves a name to addresses.
    """

    def __init__(self, *, private: bool, resolve: Resolve = resolve) -> None:
        self._private = private
        self._resolve = resolve
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open session.

        Raises:
            RuntimeError: It is not open.
        """
        if self._session is None:
            message = "the connections to receivers are not open: run the app's lifespan"
            raise RuntimeError(message)
        return self._session

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Open the session, and close it at the end."""
        connector = aiohttp.TCPConnector(
            # Certificate authorities of SSL_CERT_FILE or certifi.
            ssl=httpx.create_ssl_context(),
            limit=0,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            resolver=_CheckedResolver(private=self._private, resolve=self._resolve),
            use_dns_cache=False,
        )
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # Each attempt has its own deadline.
            timeout=aiohttp.ClientTimeout(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding"),
        ) as session:
            self._session = session
            try:
                yield
            finally:
                self._session = None

    def check(self, host: str) -> None:
        """Check a host that is an IP address, which is not resolved.

        Raises:
            AddressRefusedError: It is not allowed.
        """
        try:
            ip_address(host)
        except ValueError:
            return
        if not may_connect(host, private=self._private):
            raise AddressRefusedError


class _CheckedResolver(AbstractResolver):
    """Resolves names to allowed addresses for connections. TLS still verifies the name."""

    def __init__(self, *, private: bool, resolve: Resolve) -> None:
        self._private = private
        self._resolve = resolve
        self._lookups: dict[tuple[str, int], asyncio.Task[Sequence[str]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family
        addresses = await self._look_up(host, port)
        if not all(may_connect(address, private=self._private) for address in addresses):
            raise AddressRefusedError
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        for lookup in self._lookups.values():
            lookup.cancel()

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        # One lookup at a time for each name: a slow DNS server must not block the threads of all lookups.
        name = host, port
        lookup = self._lookups.get(name)
        if lookup is None:
            lookup = self._lookups[name] = asyncio.ensure_future(self._resolve(host, port))
            lookup.add_done_callback(lambda done: self._forget(name, done))
        return await asyncio.shield(lookup)

    def _forget(self, name: tuple[str, int], lookup: "asyncio.Task[Sequence[str]]") -> None:
        del self._lookups[name]
        if not lookup.cancelled():
            # All waiting callers may have been cancelled.
            lookup.exception()
