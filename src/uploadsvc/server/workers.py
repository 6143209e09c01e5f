"""Worker processes on one address. A worker that ends or hangs is replaced; all stop together."""

import asyncio
import multiprocessing
import os
import signal
import socket
import traceback
from contextlib import nullcontext, suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Final

import structlog

from uploadsvc.server.errors import CannotStartError
from uploadsvc.server.listener import refuse_connections
from uploadsvc.server.reloading import Asked, Step
from uploadsvc.server.stopping import DRAIN_SECONDS, EXIT_SECONDS, STARTUP_FAILURE
from uploadsvc.telemetry.cells import Cells
from uploadsvc.telemetry.exporter import Exporter, Source
from uploadsvc.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    Factory = Callable[[Metrics], FastAPI]

HUNG_BEATS: Final = 20
"""Seconds without a heartbeat before a worker is killed."""

STARTING_BEATS: Final = 60
"""The same for a worker that has not started yet."""

MAX_FAILURES: Final = 5
"""Consecutive failed starts before the service exits, if no other worker serves."""

PREPARE_SECONDS: Final = 60.0
"""Seconds for all workers to build another app."""

SWITCH_SECONDS: Final = 5.0
"""Seconds for each step of a replacement. Requests wait meanwhile, usually for milliseconds."""

_BEAT_SECONDS: Final = 1.0
_STABLE_BEATS: Final = 10
_LONGEST_PAUSE: Final = 30.0
_REASON: Final = b"!"
"""First byte of a message that a worker cannot start. A heartbeat is a dot."""

_log = structlog.get_logger("uploadsvc")
__all__ = ["CannotStartError", "Workers"]


class _Worker:
    """A worker process. Its event loop sends a heartbeat every second.

    Args:
        factory: Builds the app.
        listener: Bound socket.
        root_path: Path prefix that a proxy strips.
        number: Its number, from 1. Its replacement has the same.
        cells: Memory of its metrics; ``None`` if they are off.
    """

    def __init__(
        self,
        factory: "Factory",
        listener: socket.socket,
        root_path: str,
        *,
        number: int,
        cells: Cells | None,
    ) -> None:
        self.number = number
        self.cells = cells
        self.beats = 0
        self.silent = 0
        self._received = b""
        context = multiprocessing.get_context("spawn")
        self._receiver, sender = context.Pipe(duplex=False)
        ours, control = context.Pipe()
        self.asked = Asked(ours)
        # The settings are passed through a pipe, because others can read its command line and environment.
        arguments = (factory, listener, root_path, (sender, control), cells)
        self.process = context.Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        sender.close()
        control.close()

    async def ended(self) -> int | None:
        """Receive heartbeats until the process ends. Returns its exit status."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._receiver.fileno(), self._receive)
        self.asked.open()
        loop.add_reader(self.process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self.process.sentinel)
            loop.remove_reader(self._receiver.fileno())
            while ended.is_set() and self._receive():
                pass
            self._receiver.close()
            self.asked.close()
        self.process.join()
        return self.process.exitcode

    @property
    def reason(self) -> str:
        """Reason why the app could not be built; empty if it could."""
        return self._received.removeprefix(_REASON).decode()

    def _receive(self) -> bool:
        received = os.read(self._receiver.fileno(), 4096)
        if not received:
            asyncio.get_running_loop().remove_reader(self._receiver.fileno())
        elif self._received or received.startswith(_REASON):
            self._received += received
        else:
            self.beats += 1
            self.silent = 0
        return bool(received)


class Workers:
    """Worker processes.

    Args:
        factory: Builds the app with these metrics, or raises `CannotStartError`. It is pickled, so it must be
            a module-level function or a partial of one. Only the workers call it, so that the parent stays
            small.
        listener: Bound socket that all workers share.
        count: Number of workers.
        root_path: Path prefix that a proxy strips.
        drain_delay: Seconds that the workers keep serving after the signal to stop.
        metrics: Metrics of this process, including the counts of workers that have ended.
        scrapes: Bound socket on which this process serves metrics; ``None`` for none.
        reload: Called on SIGHUP. Returns another factory, or raises `CannotStartError`.
    """

    def __init__(
        self,
        factory: "Factory",
        listener: socket.socket,
        count: int,
        *,
        root_path: str = "",
        drain_delay: float = 0,
        metrics: Metrics | None = None,
        scrapes: socket.socket | None = None,
        reload: "Callable[[], Factory] | None" = None,
    ) -> None:
        self._reload = reload
        # Held while workers switch, so that none starts with an outdated factory.
        self._changing = asyncio.Lock()
        self._factory = factory
        self._listener = listener
        self._count = count
        self._root_path = root_path
        self._drain_delay = drain_delay
        self._running: set[_Worker] = set()
        self._stopping = asyncio.Event()
        self._told_to_stop = self._failed = False
        self._reason = ""
        self._metrics = Metrics() if metrics is None else metrics
        self._scrapes = scrapes

    async def run(self) -> None:
        """Serve until SIGINT or SIGTERM. After a second signal, running requests are not awaited.

        Raises:
            CannotStartError: The factory raised it.
            SystemExit: No worker can start for another reason.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end)
        watching = asyncio.create_task(self._watch())
        reloading = asyncio.create_task(self._reload_on_signal())
        exporter = Exporter(self._metrics, name="parent", workers=self._sources)
        answering = exporter.open(self._scrapes) if self._scrapes else nullcontext()
        async with answering, asyncio.TaskGroup() as group:
            for index in range(self._count):
                group.create_task(self._keep_running(index + 1))
        watching.cancel()
        reloading.cancel()
        if self._told_to_stop:
            _log.info("stopped", pid=os.getpid())
        if self._reason:
            raise CannotStartError(self._reason)
        if self._failed:
            raise SystemExit(STARTUP_FAILURE)

    def _end(self) -> None:
        _log.info("stopping", pid=os.getpid(), workers=len(self._running))
        self._told_to_stop = True
        self._stop()

    def _sources(self) -> list[Source]:
        return [
            Source(str(worker.number), worker.process.pid or 0, worker.cells)
            for worker in self._running
            if worker.cells is not None
        ]

    def _stop(self) -> None:
        again = self._stopping.is_set()
        self._stopping.set()
        delay = 0 if again else self._drain_delay
        if not again:
            if not delay:
                refuse_connections(self._listener)
            # If it stayed open here, the socket would accept connections that no worker serves.
            self._listener.close()
        for worker in self._running:
            worker.process.terminate()
        # A worker exits by itself within that time, unless it is suspended or hangs.
        seconds = EXIT_SECONDS if again else delay + DRAIN_SECONDS + EXIT_SECONDS
        asyncio.get_running_loop().call_later(seconds, self._kill)

    def _kill(self) -> None:
        for worker in self._running:
            worker.process.kill()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            for worker in self._running:
                # Counted, not timed: workers must survive a suspended machine.
                worker.silent += 1
                if worker.silent > (HUNG_BEATS if worker.beats else STARTING_BEATS):
                    _log.error("worker_hung", pid=worker.process.pid)
                    worker.process.kill()

    async def _reload_on_signal(self) -> None:
        if self._reload is None:
            return
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, told.set)
        while True:
            await told.wait()
            told.clear()
            try:
                factory = self._reload()
            except CannotStartError as error:
                log_refusal(str(error))
                continue
            except Exception as error:  # noqa: BLE001 - the next SIGHUP must be obeyed
                log_failure(error)
                continue
            async with self._changing:
                await self._change(factory)

    async def _change(self, factory: "Factory") -> None:
        """Replace the app of all workers, or of none."""
        workers = [*self._running]
        reason = await self._step(workers, "prepare", PREPARE_SECONDS, factory)
        reason = reason or await self._step(workers, "hold", SWITCH_SECONDS)
        if reason or self._stopping.is_set():
            await self._step(workers, "drop", SWITCH_SECONDS)
            log_refusal(reason)
            return
        self._factory = factory
        await self._step(workers, "switch", SWITCH_SECONDS, or_kill=True)
        _log.info("settings_reloaded", workers=len(workers))

    async def _step(
        self,
        workers: "list[_Worker]",
        step: Step,
        seconds: float,
        factory: "Factory | None" = None,
        *,
        or_kill: bool = False,
    ) -> str:
        """Make all workers take a step. Returns the error of the first that cannot."""
        reasons = await asyncio.gather(
            *(worker.asked.take(step, factory, seconds=seconds) for worker in workers)
        )
        for worker, reason in zip(workers, reasons, strict=True):
            if reason and or_kill and worker in self._running:
                # Its replacement starts with the new settings.
                worker.process.kill()
        return next(filter(None, reasons), "")

    async def _keep_running(self, number: int) -> None:
        failures = 0
        while not self._stopping.is_set():
            cells = Cells.shared() if self._scrapes else None
            async with self._changing:
                if self._stopping.is_set():
                    return
                worker = _Worker(self._factory, self._listener, self._root_path, number=number, cells=cells)
                self._running.add(worker)
            status = await worker.ended()
            self._running.remove(worker)
            if cells is not None:
                # Without an await: a scrape in between would miss the counts, and counters would go down.
                self._metrics.absorb(cells)
                cells.close()
            if self._stopping.is_set():
                return
            failures = 0 if worker.beats >= _STABLE_BEATS else failures + 1
            serving = any(other.beats for other in self._running)
            if worker.reason and not serving:
                self._reason = worker.reason
                self._stop()
                return
            hopeless = failures >= MAX_FAILURES or (status == STARTUP_FAILURE and not worker.beats)
            if hopeless and not serving:
                _log.error("workers_cannot_start", status=status)
                self._failed = True
                self._stop()
                return
            pause = pause_after(failures)
            self._metrics.worker_restarts.inc()
            _log.error("worker_ended", pid=worker.process.pid, status=status, restart_in=pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)


def pause_after(failures: int) -> float:
    """Return the seconds before a worker is replaced: none at first, longer if it keeps ending.

    Args:
        failures: Number of consecutive workers that ended within seconds of their start.
    """
    return min(2.0 ** (failures - 2), _LONGEST_PAUSE) if failures > 1 else 0.0


def log_refusal(reason: str) -> None:
    """Log why the settings were not reloaded."""
    _log.error("settings_not_reloaded", reason="; ".join(reason.splitlines()), meaning="the old ones stay")


def log_failure(error: Exception) -> None:
    """Log that a bug, or a lack of memory or descriptors, kept the settings from being reloaded."""
    _log.error("reload_failed", exc_info=error)
    log_refusal(f"the service cannot start with them ({type(error).__name__})")


def _work(
    factory: "Factory",
    listener: socket.socket,
    root_path: str,
    pipes: tuple[Connection, Connection],
    cells: Cells | None,
) -> None:
    from uploadsvc.server.worker import work  # noqa: PLC0415 - it loads the server, which the parent never does

    try:
        work(factory, listener, root_path, pipes, Metrics(cells))
    except CannotStartError as error:
        with suppress(OSError):
            os.write(pipes[0].fileno(), _REASON + str(error).encode())
        raise SystemExit(STARTUP_FAILURE) from None
    except Exception:  # noqa: BLE001 - multiprocessing would print it, in lines that are no JSON
        _log.error("crashed", exception=traceback.format_exc())
        raise SystemExit(1) from None
