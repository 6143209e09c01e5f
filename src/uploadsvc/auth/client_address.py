"""Find the address of a client behind proxies."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from uploadsvc.auth.trusted_header import Network

MAX_FORWARDED: Final = 1000
"""Maximum number of characters to read, from the end of ``X-Forwarded-For``, where proxies append."""

ADDRESSES_ATTRIBUTE: Final = "client_addresses"
"""Attribute of an app's state that holds its `ClientAddresses`, for the server below it."""

_Address = IPv4Address | IPv6Address


class ClientAddresses:
    """Finds client addresses behind proxies.

    Args:
        proxies: Networks of the proxies. From elsewhere ``X-Forwarded-For`` is ignored: anyone can send it.
    """

    def __init__(self, proxies: Sequence[Network] = ()) -> None:
        self.behind_proxies = bool(proxies)
        self._proxies = proxies
        self._is_proxy = lru_cache(maxsize=1024)(self._find_proxy)

    def of(self, peer: str | None, forwarded: str = "") -> str | None:
        """Return the client's address, or ``None`` if the connection has none, as on a Unix socket.

        Each proxy appends the address of its peer. So the client is the last address that is not a proxy;
        those before it can be forged.

        Args:
            peer: Address of the other end of the connection.
            forwarded: All values of ``X-Forwarded-For``, joined by commas.
        """
        if not self.behind_proxies or peer is None or not self._is_proxy(peer):
            return peer
        client = peer
        for hop in reversed(forwarded[-MAX_FORWARDED:].split(",")):
            address = _parsed(hop)
            if address is None:
                break
            client = str(address)
            if not self._is_proxy(client):
                break
        return client

    def _find_proxy(self, text: str) -> bool:
        address = _parsed(text)
        return address is not None and any(address in network for network in self._proxies)


def forwarded_for(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the end of ``X-Forwarded-For``: all its values, in order (RFC 9110 section 5.3)."""
    values = [value for name, value in headers if name == b"x-forwarded-for"]
    return b",".join(values)[-MAX_FORWARDED:].decode("latin-1")


def _parsed(text: str) -> _Address | None:
    text = text.strip()
    # Some proxies add the port: 192.0.2.1:4711, [2001:db8::1]:4711.
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        # A zone (RFC 4007) could be any text.
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        # A dual-stack socket gives an IPv4 peer's address this way.
        return address.ipv4_mapped
    return address
