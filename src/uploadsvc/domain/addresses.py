"""Addresses that the service may connect to for webhooks (SSRF).

The lists are complete, because those of Python's `ipaddress` differ between releases.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

# https://www.iana.org/assignments/iana-ipv4-special-registry
_PRIVATE_4: Final = tuple(
    map(IPv4Network, ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
)
_NEVER_4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            # Link-local addresses, including cloud metadata services.
            "169.254.0.0/16",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            # https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
            "168.63.129.16/32",
        ),
    )
)
_PRIVATE_6: Final = (IPv6Network("::1/128"), IPv6Network("fc00::/7"))
# The IPv6 address of AWS's metadata service, in a private range:
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
_METADATA_6: Final = IPv6Network("fd00:ec2::/32")
# https://www.iana.org/assignments/ipv6-unicast-address-assignments, without tunnels and documentation.
_GLOBAL_6: Final = IPv6Network("2000::/3")
_NEVER_6: Final = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20"))
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""Prefix with which DNS64 embeds IPv4 addresses: RFC 6052 section 2.1."""


def may_connect(address: str, *, private: bool) -> bool:
    """Return whether an address is allowed.

    Args:
        address: The address, as `socket.getaddrinfo` returns it.
        private: Also allow private networks (RFC 1918, RFC 6598, RFC 4193) and this machine. Link-local
            addresses, including cloud metadata services, are never allowed.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return _may_connect_4(parsed, private=private)
    if parsed.ipv4_mapped is not None:
        return _may_connect_4(parsed.ipv4_mapped, private=private)
    if parsed in _NAT64:
        return _may_connect_4(IPv4Address(parsed.packed[-4:]), private=False)
    return _may_connect_6(parsed, private=private)


def _may_connect_4(address: IPv4Address, *, private: bool) -> bool:
    if any(address in network for network in _NEVER_4):
        return False
    return private or all(address not in network for network in _PRIVATE_4)


def _may_connect_6(address: IPv6Address, *, private: bool) -> bool:
    if address.scope_id is not None or address in _METADATA_6:
        return False
    if private and any(address in network for network in _PRIVATE_6):
        return True
    return address in _GLOBAL_6 and all(address not in network for network in _NEVER_6)
