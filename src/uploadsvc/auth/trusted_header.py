"""A header with the user id, set by a proxy in front of the service."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address, ip_network

from uploadsvc.auth.request import AuthRequest
from uploadsvc.domain.errors import Unauthenticated

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedHeader:
    """The user header of a trusted proxy.

    Attributes:
        name: Its name in lower case.
        proxies: The networks of the proxies; the header of other peers is ignored.
    """

    name: str
    proxies: tuple[Network, ...]

    def user(self, request: AuthRequest) -> str | None:
        """Return the user that a trusted proxy names, or ``None``.

        Raises:
            Unauthenticated: The header is empty, was sent more than once, or is not UTF-8.
        """
        if request.headers.get(self.name) is None or not self._trusts(request.peer):
            return None
        try:
            # ASGI servers decode headers as Latin-1, whatever their bytes are.
            user = (request.single(self.name) or "").encode("latin-1").decode()
        except UnicodeError:
            user = ""
        if not user:
            detail = f"The proxy's header {self.name} is not a user id in UTF-8."
            raise Unauthenticated(detail, reason="proxy_header")
        return user

    def _trusts(self, peer: str | None) -> bool:
        try:
            address = ip_address(peer or "")
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            # A dual-stack socket gives an IPv4 peer's address this way.
            address = address.ipv4_mapped
        return any(address in network for network in self.proxies)


def trusted_networks(cidrs: Iterable[str]) -> tuple[Network, ...]:
    """Parse and merge networks.

    Raises:
        ValueError: One is not a CIDR or contains IPv4 addresses in IPv6, or together they cover all
            addresses.
    """
    networks = [_network(cidr) for cidr in cidrs]
    merged: tuple[Network, ...] = (
        *collapse_addresses(one for one in networks if isinstance(one, IPv4Network)),
        *collapse_addresses(one for one in networks if isinstance(one, IPv6Network)),
    )
    if any(network.prefixlen == 0 for network in merged):
        message = "these networks cover every address, so any caller could name any user; list the proxies"
        raise ValueError(message)
    return merged


def _network(cidr: str) -> Network:
    try:
        network = ip_network(cidr)
    except ValueError:
        message = f"{cidr!r} is not a CIDR without host bits, such as 10.0.0.0/24 or 10.0.0.7"
        raise ValueError(message) from None
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        message = f"{cidr!r} holds IPv4 addresses; write them as IPv4"
        raise ValueError(message)
    return network
