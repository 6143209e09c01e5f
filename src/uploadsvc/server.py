"""Run the app under uvicorn: bind first, start, stop when told."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from fastapi import FastAPI

GRACE_SECONDS: Final = 20
"""How long requests under way may take once the process is told to stop."""


class BindError(Exception):
    """The address cannot be listened on; the message says why in one line."""


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address, so that a port in use is known before anything starts.

    Raises:
        BindError: It is in use, not allowed or not an address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        message = f"cannot listen on {host} port {port}: {(error.strerror or str(error)).lower()}; try --port"
        raise BindError(message) from None
    return listener


class _Server(uvicorn.Server):
    """uvicorn's server, whose signals are ours: it would raise them once more at its end."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()


def options() -> dict[str, Any]:
    """Return what is the same however uvicorn is run."""
    return {
        # The access log is ours: uvicorn's holds addresses, and addresses hold ids and queries.
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        # Who a proxy speaks for matters only to those who trust it.
        "proxy_headers": False,
    }


async def serve(app: FastAPI, listener: socket.socket, *, on_started: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; a second one does not wait for requests under way."""
    server = _Server(uvicorn.Config(app, **options()), on_started)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await server.serve(sockets=[listener])
    except asyncio.CancelledError:
        server.should_exit = True
        raise
