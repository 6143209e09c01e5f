"""Run the app with uvicorn, and drain it at the end."""

import asyncio
import functools
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, cast

import structlog
import uvicorn
from fastapi import FastAPI

from uploadsvc.server import descriptors
from uploadsvc.server.capacity import Capacity
from uploadsvc.server.http import HttpProtocol
from uploadsvc.server.listener import emptied, is_readable, refuse_connections
from uploadsvc.server.served import Served
from uploadsvc.server.stopping import (
    DRAIN_SECONDS,
    EX_TEMPFAIL,
    EXIT_SECONDS,
    GRACE_SECONDS,
    LAST_CALL_SECONDS,
)
from uploadsvc.settings.server import ServerSettings

if TYPE_CHECKING:
    from uploadsvc.telemetry.metrics import Metrics

_TICK_SECONDS: Final = 0.02
_TICKS: Final = 10
"""uvicorn's ticks per second."""

_CLOSE: Final = (b"connection", b"close")

_LAST_LINE_SECONDS: Final = 0.1
_STOPS: Final = (signal.SIGINT, signal.SIGTERM)
_log = structlog.get_logger("uploadsvc")


class _Server(uvicorn.Server):
    """uvicorn's server, without its signal handlers: they raise the signals again at the end."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._watch = descriptors.DescriptorWatch()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()

    async def on_tick(self, counter: int) -> bool:
        """Do maintenance once a second; return whether to stop."""
        if counter % _TICKS == 0:
            self._watch.look()
        return await super().on_tick(counter)

    def announce_end(self) -> None:
        """Send ``Connection: close`` with every response from now on (RFC 9112, section 9.6)."""
        if _CLOSE not in self.config.encoded_headers:
            # uvicorn copies the first to the second every second.
            self.config.encoded_headers.append(_CLOSE)
            self.server_state.default_headers.append(_CLOSE)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.announce_end()
        for listener in sockets or []:
            refuse_connections(listener)
            await emptied(listener)
        for server in self.servers:
            server.close()
        await self._last_call()
        await super().shutdown(sockets)

    async def _last_call(self) -> None:
        """Close idle connections, except those with a request on its way, which closing would reset."""
        loop = asyncio.get_running_loop()
        late = loop.time() + LAST_CALL_SECONDS
        latest = late + GRACE_SECONDS
        while self.server_state.connections and not self.force_exit and loop.time() < latest:
            if loop.time() >= late:
                connections = cast("set[HttpProtocol]", self.server_state.connections)
                idle = [connection for connection in connections if connection.idle]
                for connection in idle:
                    if not is_readable(connection.transport.get_extra_info("socket")):
                        connection.transport.close()
                if not idle:
                    return
            await asyncio.sleep(_TICK_SECONDS)


def options(capacity: Capacity, *, root_path: str = "") -> dict[str, Any]:
    """Return uvicorn's options for one process and for several.

    Args:
        capacity: Limits of the process.
        root_path: Path prefix that a proxy strips (the ASGI specification's ``root_path``).
    """
    return {
        "http": functools.partial(HttpProtocol, capacity),
        "ws": "none",
        # uvicorn would not recognize the interface, because `Served` returns an awaitable.
        "interface": "asgi3",
        # uvicorn's access log would contain paths with upload ids, and queries.
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        # The authenticator compares the address of the peer itself with the trusted proxies.
        "proxy_headers": False,
        "root_path": root_path,
    }


def run(serving: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine, on uvloop if it is installed."""
    with asyncio.Runner(loop_factory=uvicorn.Config("", log_config=None).get_loop_factory()) as runner:
        # Closing the loop waits for its threads, such as name lookups. They do not change the exit status.
        try:
            runner.run(serving)
        except BaseException:
            _end_within(EXIT_SECONDS)
            raise
        _end_within(EXIT_SECONDS, status=0)


async def serve(
    app: FastAPI | Served,
    listener: socket.socket,
    *,
    on_started: Callable[[], None],
    stops: Sequence[signal.Signals] = _STOPS,
    root_path: str = "",
    announces: bool = True,
) -> None:
    """Serve until a signal. After a second one, running requests are not awaited.

    Args:
        app: The app. Its state may have ``limits``, ``overloaded`` (answers requests above them),
            ``metrics``, ``on_drain`` (called before the delay that the limits name), ``on_stop`` (called
            after it) and ``on_end`` (called in a thread, after the last request).
        listener: Bound socket.
        on_started: Called once the server accepts requests.
        stops: Signals that stop it.
        root_path: Path prefix that a proxy strips.
        announces: Whether to log start and stop.

    Raises:
        SystemExit: The app's lifespan failed to start.
    """
    announce = functools.partial(_log.info if announces else _nothing, pid=os.getpid())

    def started() -> None:
        announce("serving", address=_address(listener), version=version("uploadsvc"))
        on_started()

    state, loop = app.state, asyncio.get_running_loop()
    most = descriptors.limit()
    limits = descriptors.within(getattr(state, "limits", None) or ServerSettings(), most)
    overloaded = getattr(state, "overloaded", app)
    capacity = Capacity(limits, overloaded=overloaded, max_refused=descriptors.refusable(most))
    server = _Server(uvicorn.Config(app, **options(capacity, root_path=root_path)), started)
    if isinstance(app, Served):
        app.follow(lambda: server.server_state.tasks)

    _count(getattr(state, "metrics", None), server, capacity)
    limiters: list[threading.Timer] = []

    def stop() -> None:
        announce("stopping", requests=len(server.server_state.tasks))
        server.force_exit = server.should_exit or bool(draining)
        if server.should_exit or draining or not limits.drain_delay:
            end()
            return
        draining.append(loop.call_later(limits.drain_delay, end))
        server.announce_end()
        getattr(state, "on_drain", _nothing)()

    def end() -> None:
        server.should_exit = True
        # Ends responses that would otherwise run for as long as their clients read.
        getattr(state, "on_stop", _nothing)()
        limiters.append(_end_within(DRAIN_SECONDS))

    draining: list[asyncio.TimerHandle] = []
    for number in stops:
        loop.add_signal_handler(number, stop)
    try:
        await server.serve(sockets=[listener])
    except asyncio.CancelledError:
        server.should_exit = True
        raise
    finally:
        # Flushes the traces.
        await asyncio.to_thread(getattr(state, "on_end", _nothing))
        for handle in draining:
            handle.cancel()
        for limiter in limiters:
            limiter.cancel()
        announce("stopped")


def _count(metrics: "Metrics | None", server: _Server, capacity: Capacity) -> None:
    if metrics is not None:
        metrics.http_connections.follow(lambda: len(server.server_state.connections))
        capacity.on_refusal = metrics.http_refused.inc


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _nothing(*_: object, **__: object) -> None:
    pass


def _end_within(seconds: float, *, status: int = EX_TEMPFAIL) -> threading.Timer:
    """Force this process to exit after a time, unless the timer is cancelled."""

    def end() -> None:
        if status:
            _log.error("not_stopped_in_time", pid=os.getpid(), seconds=seconds)
        # Leave time for the thread that writes the log.
        time.sleep(_LAST_LINE_SECONDS)
        os._exit(status)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer
