"""Worker processes that share one address. One that ends is replaced; all are stopped together."""

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

from uploadsvc.server import runner

_log = structlog.get_logger("uploadsvc")
_RESTART_SECONDS: Final = 1.0


class Workers:
    """Worker processes.

    Args:
        factory: Returns the app. Workers import it, so it must be a function of a module.
        listener: Bound socket that all workers share.
        count: Number of workers.
        root_path: Path that a proxy has stripped from the requests.
    """

    def __init__(
        self, factory: Callable[[], FastAPI], listener: socket.socket, count: int, *, root_path: str = ""
    ) -> None:
        self._factory = factory
        self._listener = listener
        self._count = count
        self._root_path = root_path
        self._running: set[SpawnProcess] = set()
        self._stopping = asyncio.Event()
        self._failed = False

    async def run(self) -> None:
        """Serve until SIGINT or SIGTERM. A second signal does not wait for running requests.

        Raises:
            SystemExit: A worker's lifespan failed to start, so the next one's would too.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._keep_running())
        if self._failed:
            raise SystemExit(STARTUP_FAILURE)

    def _stop(self) -> None:
        self._stopping.set()
        # Left open here, the socket would accept connections that no worker serves.
        self._listener.close()
        for process in self._running:
            process.terminate()

    async def _keep_running(self) -> None:
        while not self._stopping.is_set():
            process = multiprocessing.get_context("spawn").Process(
                target=_work,
                args=(self._factory, self._listener, self._root_path),
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
    """Wait for a process without a thread."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process.sentinel)
    process.join()


def _work(factory: Callable[[], FastAPI], listener: socket.socket, root_path: str) -> None:
    # Ctrl-C reaches the whole process group, and the parent's SIGTERM would count as the second signal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    runner.run(_serve(factory(), listener, root_path))


async def _serve(app: FastAPI, listener: socket.socket, root_path: str) -> None:
    parent, loop = multiprocessing.parent_process(), asyncio.get_running_loop()
    if parent is not None:

        def orphaned() -> None:
            # Without its parent, nothing would stop this process, and the address would stay in use.
            loop.remove_reader(parent.sentinel)
            signal.raise_signal(signal.SIGTERM)

        loop.add_reader(parent.sentinel, orphaned)
    await runner.serve(app, listener, on_started=lambda: None, stops=(signal.SIGTERM,), root_path=root_path)
