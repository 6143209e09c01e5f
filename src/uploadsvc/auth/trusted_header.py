"""A header with the user id, set by a proxy in front of the service."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from uploadsvc.auth.request import AuthRequest
from uploadsvc.domain.errors import Unauthenticated

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedHeader:
    """The header that a trusted proxy sets.

    Attributes:
        name: Its name in lower case.
        proxies: The networks of the proxies; from elsewhere the header is ignored.
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
            raise Unauthenticated(detail)
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
