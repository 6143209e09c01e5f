"""A user id that a proxy in front of us has set."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from uploadsvc.auth.calls import Call
from uploadsvc.domain.errors import Unauthenticated

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedHeader:
    """The header that a trusted proxy sets.

    Attributes:
        name: In lower case.
        proxies: Where such proxies call from; from elsewhere the header says nothing.
    """

    name: str
    proxies: tuple[Network, ...]

    def user(self, call: Call) -> str | None:
        """Return whom a trusted proxy names, or ``None``.

        Raises:
            Unauthenticated: The proxy names nobody, or more than one, or not in UTF-8.
        """
        if call.headers.get(self.name) is None or not self._trusts(call.peer):
            return None
        try:
            # Servers hand headers on as Latin-1, whatever their bytes are.
            user = (call.single(self.name) or "").encode("latin-1").decode()
        except UnicodeError:
            user = ""
        if not user:
            detail = f"The proxy's header {self.name} is no user id in UTF-8."
            raise Unauthenticated(detail)
        return user

    def _trusts(self, peer: str | None) -> bool:
        try:
            address = ip_address(peer or "")
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            # A socket of both families tells an IPv4 caller's address so.
            address = address.ipv4_mapped
        return any(address in network for network in self.proxies)
