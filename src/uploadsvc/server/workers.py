"""Worker processes that share one address. One that ends or hangs is replaced; all are stopped together."""

import asyncio
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Final

import structlog
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE

from uploadsvc.server import runner
from uploadsvc.server.listener import refuse_connections

HUNG_BEATS: Final = 20
"""Seconds without a heartbeat after which a worker is killed."""

STARTING_BEATS: Final = 60
"""The same for one that has not started yet."""

MAX_FAILURES: Final = 5
"""Failed starts in a row after which the service ends, if no other worker serves."""

_BEAT_SECONDS: Final = 1.0
_STABLE_BEATS: Final = 10
_LONGEST_PAUSE: Final = 30.0
_log = structlog.get_logger("uploadsvc")


class _Worker:
    """A process whose event loop sends a heartbeat each second."""

    def __init__(self, factory: Callable[[], FastAPI], listener: socket.socket, root_path: str) -> None:
        self.beats = 0
        self.silent = 0
        context = multiprocessing.get_context("spawn")
        self._receiver, sender = context.Pipe(duplex=False)
        # The settings reach it through a pipe, because others can read its command line and environment.
        self.process = context.Process(target=_work, args=(factory, listener, root_path, sender), daemon=True)
        self.process.start()
        sender.close()

    async def ended(self) -> int | None:
        """Receive heartbeats until the process ends; return its exit status."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._receiver.fileno(), self._count_beat)
        loop.add_reader(self.process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self.process.sentinel)
            loop.remove_reader(self._receiver.fileno())
            self._receiver.close()
        self.process.join()
        return self.process.exitcode

    def _count_beat(self) -> None:
        if os.read(self._receiver.fileno(), 4096):
            self.beats += 1
            self.silent = 0
        else:
            asyncio.get_running_loop().remove_reader(self._receiver.fileno())


class Workers:
    """Worker processes.

    Args:
        factory: Returns the app. It is pickled: a function of a module, with arguments.
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
        self._running: set[_Worker] = set()
        self._stopping = asyncio.Event()
        self._failed = False

    async def run(self) -> None:
        """Serve until SIGINT or SIGTERM. A second signal does not wait for running requests.

        Raises:
            SystemExit: No worker can start.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        watching = asyncio.create_task(self._watch())
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._keep_running())
        watching.cancel()
        if self._failed:
            raise SystemExit(STARTUP_FAILURE)

    def _stop(self) -> None:
        again = self._stopping.is_set()
        self._stopping.set()
        if not again:
            refuse_connections(self._listener)
            # Left open here, the socket would accept connections that no worker serves.
            self._listener.close()
        for worker in self._running:
            worker.process.terminate()
        # A worker ends by itself in that time, unless it is stopped or hangs.
        seconds = runner.EXIT_SECONDS if again else runner.DRAIN_SECONDS + runner.EXIT_SECONDS
        asyncio.get_running_loop().call_later(seconds, self._kill)

    def _kill(self) -> None:
        for worker in self._running:
            worker.process.kill()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            for worker in self._running:
                # Counted, not timed: a machine that sleeps must not kill its workers.
                worker.silent += 1
                if worker.silent > (HUNG_BEATS if worker.beats else STARTING_BEATS):
                    _log.error("worker_hung", pid=worker.process.pid)
                    worker.process.kill()

    async def _keep_running(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            worker = _Worker(self._factory, self._listener, self._root_path)
            self._running.add(worker)
            status = await worker.ended()
            self._running.remove(worker)
            if self._stopping.is_set():
                return
            failures = 0 if worker.beats >= _STABLE_BEATS else failures + 1
            serving = any(other.beats for other in self._running)
            hopeless = failures >= MAX_FAILURES or (status == STARTUP_FAILURE and not worker.beats)
            if hopeless and not serving:
                _log.error("workers_cannot_start", status=status)
                self._failed = True
                self._stop()
                return
            pause = min(2.0 ** max(failures - 1, 0), _LONGEST_PAUSE)
            _log.error("worker_ended", status=status, restart_in=pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)


def _work(
    factory: Callable[[], FastAPI], listener: socket.socket, root_path: str, sender: Connection
) -> None:
    # Ctrl-C reaches the whole process group, and the parent's SIGTERM would count as the second signal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    runner.run(_serve(factory(), listener, root_path, sender))


async def _serve(app: FastAPI, listener: socket.socket, root_path: str, sender: Connection) -> None:
    parent, loop = multiprocessing.parent_process(), asyncio.get_running_loop()
    if parent is not None:

        def orphaned() -> None:
            # Without its parent, nothing would stop this process, and the address would stay in use.
            loop.remove_reader(parent.sentinel)
            signal.raise_signal(signal.SIGTERM)

        loop.add_reader(parent.sentinel, orphaned)

    def beat() -> None:
        with suppress(OSError):
            os.write(sender.fileno(), b".")
        loop.call_later(_BEAT_SECONDS, beat)

    await runner.serve(app, listener, on_started=beat, stops=(signal.SIGTERM,), root_path=root_path)
