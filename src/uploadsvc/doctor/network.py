"""Find out why an address cannot be reached: DNS, connection or TLS."""

import asyncio
import os
import socket
import ssl
from dataclasses import dataclass
from typing import Final

from uploadsvc.domain.endpoints import BucketEndpoint

STEP_TIMEOUT: Final = 5.0
"""Seconds for each step."""

FIND_OUT: Final = "look at the store's log, and at any proxy before it, to find what delays its answers"
"""The fix if a request gets no answer."""

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why an address cannot be reached.

    Attributes:
        found: The reason in words.
        fix: The fix.
    """

    found: str
    fix: str


async def obstacle(
    endpoint: BucketEndpoint,
    *,
    trust: ssl.SSLContext,
    setting: str,
    server: str = "the store",
    bundle: str = "AWS_CA_BUNDLE",
) -> Obstacle | None:
    """Return why an address cannot be reached, or ``None`` if it can.

    Args:
        endpoint: The address.
        trust: Verifies its certificate.
        setting: The setting with the address.
        server: Description of the server.
        bundle: The variable for a file with more certificate authorities.
    """
    host, port = address(endpoint)
    where = f"{host}:{port}"
    try:
        async with asyncio.timeout(STEP_TIMEOUT):
            await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (TimeoutError, OSError, UnicodeError) as error:
        found = f"DNS does not know {host} ({_reason(error)})"
        return Obstacle(found=found, fix=f"correct the host in {setting}, or give it a DNS record")
    try:
        async with asyncio.timeout(STEP_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port)
    except (TimeoutError, OSError) as error:
        found = f"no connection to {where} ({_reason(error)})"
        fix = f"correct host and port in {setting}, start {server}, or let the firewall pass the connection"
        return Obstacle(found=found, fix=fix)
    writer.close()
    if endpoint.scheme == "http":
        return None
    try:
        async with asyncio.timeout(STEP_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port, ssl=trust, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        found = f"{where} has no trusted TLS certificate ({_reason(error)})"
        fix = (
            f"set {setting} to a name that the certificate has, and renew it if it expired; if an authority "
            f"of your own signed it, set {bundle} to a file with that authority's certificate"
        )
        return Obstacle(found=found, fix=fix)
    except (TimeoutError, OSError) as error:
        found = f"{where} has no trusted TLS certificate ({_reason(error)})"
        fix = f"set {setting} to the port where {server} speaks TLS, or to http:// if it speaks none"
        return Obstacle(found=found, fix=fix)
    writer.close()
    return None


def address(endpoint: BucketEndpoint) -> tuple[str, int]:
    """Return an address's host, without brackets, and its port."""
    host, colon, port = endpoint.host.rpartition(":")
    if not colon or "]" in port:
        return endpoint.host.strip("[]"), _PORTS[endpoint.scheme]
    return host.strip("[]"), int(port)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {STEP_TIMEOUT:.0f} seconds"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return str(error.reason or "not TLS")
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(getattr(error, "strerror", None) or error)
