"""Find out why an address cannot be reached: its name, the connection or TLS."""

import asyncio
import os
import socket
import ssl
from typing import Final

from uploadsvc.domain.endpoints import BucketEndpoint

STEP_TIMEOUT: Final = 5.0
"""Seconds for each step."""

_PORTS: Final = {"http": 80, "https": 443}


async def obstacle(endpoint: BucketEndpoint, *, trust: ssl.SSLContext) -> str | None:
    """Return why an address cannot be reached, in words, or ``None`` if it can.

    Args:
        endpoint: The address.
        trust: Verifies its certificate.
    """
    host, port = address(endpoint)
    where = f"{host}:{port}"
    try:
        async with asyncio.timeout(STEP_TIMEOUT):
            await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (TimeoutError, OSError, UnicodeError) as error:
        return f"DNS does not know {host} ({_reason(error)})"
    try:
        async with asyncio.timeout(STEP_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port)
    except (TimeoutError, OSError) as error:
        return f"no connection to {where} ({_reason(error)})"
    writer.close()
    if endpoint.scheme == "http":
        return None
    try:
        async with asyncio.timeout(STEP_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port, ssl=trust, server_hostname=host)
    except (TimeoutError, OSError) as error:
        return f"{where} does not speak TLS that we trust ({_reason(error)})"
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
