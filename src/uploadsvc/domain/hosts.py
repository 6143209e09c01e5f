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
        return as_browsers_write(IPv6Address(parts["six"]))
    except ValueError:
        return None


def as_browsers_write(address: IPv6Address) -> str:
    """Return an address in the one form that browsers use (https://url.spec.whatwg.org/#host-serializing)."""
    if address.ipv4_mapped is None:
        return address.compressed
    # From Python 3.13 on, these end in a dotted address, which browsers never write.
    high, low = divmod(int(address.ipv4_mapped), 0x10000)
    return f"::ffff:{high:x}:{low:x}"


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
