"""Worker processes that share one address. One that ends or hangs is replaced; all are stopped together."""

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
"""Seconds without a heartbeat after which a worker is killed."""

STARTING_BEATS: Final = 60
"""The same for one that has not started yet."""

MAX_FAILURES: Final = 5
"""Failed starts in a row after which the service ends, if no other worker serves."""

PREPARE_SECONDS: Final = 60.0
"""Seconds that all workers have to build another app."""

SWITCH_SECONDS: Final = 5.0
"""Seconds for each step from one app to the next; requests wait meanwhile, usually for milliseconds."""

_BEAT_SECONDS: Final = 1.0
_STABLE_BEATS: Final = 10
_LONGEST_PAUSE: Final = 30.0
_REASON: Final = b"!"
"""First byte of the reason why a worker cannot start. A heartbeat is a dot."""

_log = structlog.get_logger("uploadsvc")
__all__ = ["CannotStartError", "Workers"]


class _Worker:
    """A process whose event loop sends a heartbeat each second.

    Args:
        factory: Returns the app.
        listener: Bound socket.
        root_path: Path that a proxy has stripped from the requests.
        number: Its number, from 1; its successor has the same.
        cells: Where it counts; ``None`` if nobody asks.
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
        # The settings reach it through a pipe, because others can read its command line and environment.
        arguments = (factory, listener, root_path, (sender, control), cells)
        self.process = context.Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        sender.close()
        control.close()

    async def ended(self) -> int | None:
        """Receive heartbeats until the process ends; return its exit status."""
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
        """Why the app could not be built; empty if it could."""
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
        factory: Returns the app that counts in these metrics, or raises `CannotStartError`. It is pickled, so
            it must be a function of a module, with arguments. Only the workers call it, so that their parent
            stays small.
        listener: Bound socket that all workers share.
        count: Number of workers.
        root_path: Path that a proxy has stripped from the requests.
        drain_delay: Seconds for which the workers serve on once they are told to stop.
        metrics: Metrics of this process, which keep the counts of workers that have ended.
        scrapes: Bound socket on which this process answers scrapes of the metrics; ``None`` for none.
        reload: Called on SIGHUP: returns another factory, or raises `CannotStartError`.
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
        # Held while workers switch, so that none starts with a factory of which it is not told.
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
        """Serve until SIGINT or SIGTERM. A second signal does not wait for running requests.

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
            # Left open here, the socket would accept connections that no worker serves.
            self._listener.close()
        for worker in self._running:
            worker.process.terminate()
        # A worker ends by itself in that time, unless it is stopped or hangs.
        seconds = EXIT_SECONDS if again else delay + DRAIN_SECONDS + EXIT_SECONDS
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
        """Let all workers serve another app, or none."""
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
        """Let workers take a step at once; return what is wrong with the first that cannot."""
        reasons = await asyncio.gather(
            *(worker.asked.take(step, factory, seconds=seconds) for worker in workers)
        )
        for worker, reason in zip(workers, reasons, strict=True):
            if reason and or_kill and worker in self._running:
                # Its successor starts with the new settings.
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
                # At once: a scrape in between would miss its counts, and counters would go down.
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
    """Return the seconds until a worker is replaced: none the first time, and ever more if it ends in a loop.

    Args:
        failures: How many in a row have ended within seconds of their start.
    """
    return min(2.0 ** (failures - 2), _LONGEST_PAUSE) if failures > 1 else 0.0


def log_refusal(reason: str) -> None:
    """Log in one line why the settings were not reloaded."""
    _log.error("settings_not_reloaded", reason="; ".join(reason.splitlines()), meaning="the old ones stay")


def log_failure(error: Exception) -> None:
    """Log that the settings were not reloaded because of a bug, or for want of memory or descriptors."""
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
