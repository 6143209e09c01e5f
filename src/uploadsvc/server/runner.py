"""Runs the app with uvicorn: bind, serve, drain."""

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from fastapi import FastAPI

from uploadsvc.server.http import HttpProtocol

GRACE_SECONDS: Final = 20
"""Seconds that running requests have to finish once the process is told to stop."""

LAST_CALL_SECONDS: Final = 0.5
"""Seconds that idle connections then stay open, because a request may be on its way."""

_TICK_SECONDS: Final = 0.02

_STOPS: Final = (signal.SIGINT, signal.SIGTERM)


class BindError(Exception):
    """An address that cannot be bound. The message is one line."""


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address, to find a port in use before anything starts.

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
        message = f"cannot listen on {host} port {port}: {(error.strerror or str(error)).lower()}; try --port"
        raise BindError(message) from None
    return listener


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers, which raise the signals again at the end."""

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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Connections that wait to be accepted would be reset, so accept them first.
        await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        # uvicorn would close idle connections at once, and reset those whose request is on its way.
        # Every response from now on announces the end of its connection (RFC 9112, section 9.6).
        self.server_state.default_headers.append((b"connection", b"close"))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LAST_CALL_SECONDS
        while self.server_state.connections and not self.force_exit and loop.time() < deadline:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(_TICK_SECONDS)
        await super().shutdown(sockets)


def options() -> dict[str, Any]:
    """Return uvicorn's options for one process and for several."""
    return {
        "http": HttpProtocol,
        "ws": "none",
        # uvicorn's access log holds paths with upload ids and queries.
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        # The authenticator compares the peer's own address with the trusted proxies.
        "proxy_headers": False,
    }


def run(serving: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on uvloop, if it is installed."""
    with asyncio.Runner(loop_factory=uvicorn.Config("", log_config=None).get_loop_factory()) as runner:
        runner.run(serving)


async def serve(
    app: FastAPI,
    listener: socket.socket,
    *,
    on_started: Callable[[], None],
    stops: Sequence[signal.Signals] = _STOPS,
) -> None:
    """Serve until one of these signals. A second signal does not wait for running requests.

    Raises:
        SystemExit: The app's lifespan failed to start.
    """
    server = _Server(uvicorn.Config(app, **options()), on_started)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    for number in stops:
        loop.add_signal_handler(number, stop)
    try:
        await server.serve(sockets=[listener])
    except asyncio.CancelledError:
        server.should_exit = True
        raise
