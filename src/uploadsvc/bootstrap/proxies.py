"""The header that a proxy sets, and the proxies that may."""

from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Final

from uploadsvc.auth.trusted_header import Network, TrustedHeader
from uploadsvc.settings import Settings, SettingsError

_TAKEN: Final = frozenset(
    {
        *("accept", "authorization", "connection", "content-length", "content-type", "cookie", "forwarded"),
        *("host", "origin", "referer", "sec-fetch-site", "user-agent", "x-api-key", "x-forwarded-for"),
        *("x-on-behalf-of", "x-request-id"),
    }
)


def trusted_header(settings: Settings) -> TrustedHeader | None:
    """Return the trusted header, or ``None`` where it is off.

    Raises:
        SettingsError: A header without proxies or the other way round, or one that callers themselves set.
    """
    auth = settings.auth
    if auth.trusted_header is None:
        if auth.trusted_proxies:
            raise SettingsError(("auth", "trusted_proxies"), "needs UPLOADSVC_AUTH__TRUSTED_HEADER beside it")
        return None
    if not auth.trusted_proxies:
        message = "missing; the CIDRs of the proxies that set the header, for example 10.0.0.0/24"
        raise SettingsError(("auth", "trusted_proxies"), message)
    name = auth.trusted_header.lower()
    if name in _TAKEN:
        message = (
            f"{auth.trusted_header!r} has a meaning of its own; take another, for example X-Forwarded-User"
        )
        raise SettingsError(("auth", "trusted_header"), message)
    proxies = tuple(_network(cidr) for cidr in auth.trusted_proxies)
    merged: list[Network] = [
        *collapse_addresses(one for one in proxies if isinstance(one, IPv4Network)),
        *collapse_addresses(one for one in proxies if isinstance(one, IPv6Network)),
    ]
    if any(network.prefixlen == 0 for network in merged):
        message = "every address is a proxy by these, so any caller could name any user; list the proxies"
        raise SettingsError(("auth", "trusted_proxies"), message)
    return TrustedHeader(name=name, proxies=proxies)


def _network(cidr: str) -> Network:
    path = ("auth", "trusted_proxies")
    try:
        network = ip_network(cidr)
    except ValueError:
        message = f"{cidr!r} is not a CIDR without host bits, such as 10.0.0.0/24 or 10.0.0.7"
        raise SettingsError(path, message) from None
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise SettingsError(path, f"{cidr!r} holds IPv4 addresses; write them as IPv4")
    return network
