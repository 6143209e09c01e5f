"""A worker process: serves requests, and sends heartbeats to its parent."""

import asyncio
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Final

from fastapi import FastAPI

from uploadsvc.server import collector, runner
from uploadsvc.server.reloading import ReloadHandler
from uploadsvc.server.served import Served
from uploadsvc.telemetry.metrics import Metrics

_BEAT_SECONDS: Final = 1.0


def work(
    factory: Callable[[Metrics], FastAPI],
    listener: socket.socket,
    root_path: str,
    pipes: tuple[Connection, Connection],
    metrics: Metrics,
) -> None:
    """Serve until SIGTERM, or until the parent has ended.

    Args:
        factory: Builds the app.
        listener: Bound socket that all workers share.
        root_path: Path prefix that a proxy strips.
        pipes: Pipe for heartbeats, and connection for the parent's steps (`reloading`).
        metrics: Metrics of this process.

    Raises:
        Exception: The factory raised it.
    """
    # Ctrl-C reaches the whole process group; the parent's SIGTERM would then count as a second signal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A terminal sends it to the whole group too; only the parent reloads.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    collector.pause()
    runner.run(_serve(factory(metrics), listener, root_path, pipes, metrics))


async def _serve(
    app: FastAPI,
    listener: socket.socket,
    root_path: str,
    pipes: tuple[Connection, Connection],
    metrics: Metrics,
) -> None:
    sender, control = pipes
    parent, loop = multiprocessing.parent_process(), asyncio.get_running_loop()
    if parent is not None:

        def orphaned() -> None:
            # Without the parent, nothing would stop this process, and the address would stay in use.
            loop.remove_reader(parent.sentinel)
            signal.raise_signal(signal.SIGTERM)

        loop.add_reader(parent.sentinel, orphaned)

    def beat() -> None:
        with suppress(OSError):
            os.write(sender.fileno(), b".")
        # The parent reads these values, but cannot ask for new ones.
        metrics.refresh()
        loop.call_later(_BEAT_SECONDS, beat)

    def started() -> None:
        collector.resume()
        beat()

    served = Served(app)
    async with ReloadHandler(served, control, metrics):
        await runner.serve(served, listener, on_started=started, stops=(signal.SIGTERM,), root_path=root_path)
