"""Several processes that share one address: started, started anew when one ends, stopped together."""

import asyncio
import multiprocessing
import signal
import socket
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from typing import Final

import structlog
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE

from uploadsvc.server import runner as server

_log = structlog.get_logger("uploadsvc")
_RESTART_SECONDS: Final = 1.0


class Workers:
    """Worker processes.

    Args:
        factory: Makes the app in each of them; a function of a module, which they import.
        listener: What they share, bound.
        count: How many.
    """

    def __init__(self, factory: Callable[[], FastAPI], listener: socket.socket, count: int) -> None:
        self._factory = factory
        self._listener = listener
        self._count = count
        self._running: set[SpawnProcess] = set()
        self._stopping = asyncio.Event()
        self._failed = False

    async def run(self) -> None:
        """Serve until SIGINT or SIGTERM; a second one does not wait for requests under way.

        Raises:
            SystemExit: A worker's lifespan could not start; the next one's would not either.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._keep_one())
        if self._failed:
            raise SystemExit(STARTUP_FAILURE)

    def _stop(self) -> None:
        self._stopping.set()
        # A copy that stayed open here would take connections that nobody serves any more.
        self._listener.close()
        for process in self._running:
            process.terminate()

    async def _keep_one(self) -> None:
        while not self._stopping.is_set():
            process = multiprocessing.get_context("spawn").Process(
                target=_work,
                args=(self._factory, self._listener),
                daemon=True,
            )
            process.start()
            self._running.add(process)
            await _ended(process)
            self._running.remove(process)
            if self._stopping.is_set():
                return
            if process.exitcode == STARTUP_FAILURE:
                self._failed = True
                self._stop()
                return
            _log.error("worker_ended", status=process.exitcode)
            await asyncio.sleep(_RESTART_SECONDS)


async def _ended(process: SpawnProcess) -> None:
    """Wait for a process, without a thread."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process.sentinel)
    process.join()


def _work(factory: Callable[[], FastAPI], listener: socket.socket) -> None:
    # Ctrl-C reaches the whole group, and the parent's word follows: it would count as the second.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server.run(_serve(factory(), listener))


async def _serve(app: FastAPI, listener: socket.socket) -> None:
    parent, loop = multiprocessing.parent_process(), asyncio.get_running_loop()
    if parent is not None:

        def orphaned() -> None:
            # Nobody would tell this process to stop, and it would keep the address from those who come next.
            loop.remove_reader(parent.sentinel)
            signal.raise_signal(signal.SIGTERM)

        loop.add_reader(parent.sentinel, orphaned)
    await server.serve(app, listener, on_started=lambda: None, stops=(signal.SIGTERM,))
