"""Parse ``Host`` headers, and recognize those of this machine.

Anyone can point their own name to 127.0.0.1 (DNS rebinding), so their pages can reach this machine. Only
``Host`` shows the difference.
"""

import re
from ipaddress import IPv6Address, ip_address
from typing import Final

_HOST: Final = re.compile(
    r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?)(?::[0-9]*)?"
)


def host_name(header: str) -> str | None:
    """Return the name or address in a ``Host`` header, without port, brackets and final dot, in lower case.

    Returns ``None`` if it is malformed (RFC 9110 section 7.2).
    """
    parts = _HOST.fullmatch(header.lower())
    if parts is None:
        return None
    if parts["name"] is not None:
        return parts["name"]
    try:
        return IPv6Address(parts["six"]).compressed
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a name or address always means this machine.

    ``localhost`` and the names below it do (RFC 6761 section 6.3); nobody can register them.
    """
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
