"""The listening socket: bound early, closed without resetting connections."""

import asyncio
import ctypes
import errno
import select
import socket
import struct
from typing import Final

_SO_ATTACH_FILTER: Final = getattr(socket, "SO_ATTACH_FILTER", 26)
"""Linux's number of the option: socket(7)."""

# Classic BPF instructions: code, jump if true, jump if false, value.
# https://docs.kernel.org/networking/filter.html
_NO_MORE_CONNECTIONS: Final = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the flags of the TCP header
        (0x54, 0, 0, 0x12),  # keep SYN and ACK
        (0x15, 0, 1, 0x02),  # if it is SYN alone:
        (0x06, 0, 0, 0),  # drop it
        (0x06, 0, 0, 0xFFFFFFFF),  # else pass it on
    )
)
_SETTLE_SECONDS: Final = 0.1
"""Seconds for a started handshake to finish."""

_LONGEST_SECONDS: Final = 2.0
_TICK_SECONDS: Final = 0.005


class BindError(Exception):
    """The address cannot be bound. The message is one line."""


def bind(host: str, port: int, *, advice: str | None = None) -> socket.socket:
    """Bind a socket, so that a port in use is found before anything starts.

    Args:
        host: Name or address.
        port: Port.
        advice: Advice in the error message; by default to change an option of ``serve``.

    Raises:
        BindError: The address is in use, not permitted or malformed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        option = "--port" if error.errno in {errno.EADDRINUSE, errno.EACCES} else "--host"
        reason = (error.strerror or str(error)).lower()
        message = f"cannot listen on {host} port {port}: {reason}; {advice or f'try another {option}'}"
        raise BindError(message) from None
    return listener


def refuse_connections(listener: socket.socket) -> None:
    """Make the kernel drop new connections, for all processes that share the socket.

    Closing the socket resets connections that wait to be accepted, and one can arrive after the last check.
    Works on Linux only; elsewhere the risk remains.
    """
    program = ctypes.create_string_buffer(_NO_MORE_CONNECTIONS)
    instructions = len(_NO_MORE_CONNECTIONS) // struct.calcsize("HBBI")
    # struct sock_fprog: length and pointer.
    filter_ = struct.pack("@HP", instructions, ctypes.addressof(program))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_)
    except OSError:
        return


async def emptied(listener: socket.socket) -> None:
    """Wait until this process or another has accepted every connection that was started."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while loop.time() < begun + _LONGEST_SECONDS:
        waiting = is_readable(listener)
        if not waiting and loop.time() >= begun + _SETTLE_SECONDS:
            return
        await asyncio.sleep(_TICK_SECONDS)


def is_readable(sock: socket.socket) -> bool:
    """Return whether a socket has anything to accept or read."""
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))
