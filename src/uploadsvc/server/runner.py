"""Run the app under uvicorn: bind first, start, stop when told."""

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from fastapi import FastAPI

GRACE_SECONDS: Final = 20
"""How long requests under way may take once the process is told to stop."""

LAST_CALL_SECONDS: Final = 0.5
"""How long a connection without a request is left open then: its next one may be on the way."""

_TICK_SECONDS: Final = 0.02

_STOPS: Final = (signal.SIGINT, signal.SIGTERM)


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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # The connections that wait to be accepted would be reset: take them first.
        await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        # uvicorn would close at once what has no request under way, and reset who is just sending one.
        # Each answer from now on says that its connection ends (RFC 9112, section 9.6).
        self.server_state.default_headers.append((b"connection", b"close"))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LAST_CALL_SECONDS
        while self.server_state.connections and not self.force_exit and loop.time() < deadline:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(_TICK_SECONDS)
        await super().shutdown(sockets)


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


def run(serving: Coroutine[Any, Any, None]) -> None:
    """Run what serves, on uvloop where there is one."""
    with asyncio.Runner(loop_factory=uvicorn.Config("", log_config=None).get_loop_factory()) as runner:
        runner.run(serving)


async def serve(
    app: FastAPI,
    listener: socket.socket,
    *,
    on_started: Callable[[], None],
    stops: Sequence[signal.Signals] = _STOPS,
) -> None:
    """Serve until one of these signals; a second one does not wait for requests under way.

    Raises:
        SystemExit: The app's lifespan could not start.
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
