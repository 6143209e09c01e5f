"""``uploadsvc events``: the worker, dead letters, and a sample event."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from uuid import uuid4

import structlog
import typer

from uploadsvc.bootstrap.events import build_receivers
from uploadsvc.bootstrap.services import Services, build_services
from uploadsvc.bootstrap.worker import build_worker, open_queue, queue_url
from uploadsvc.cli.messages import say, stop
from uploadsvc.cli.metrics import answered, bind_metrics
from uploadsvc.cli.reload import read_again
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.events.depths import QueueDepths
from uploadsvc.events.queue import QueueError, QueueRefusedError, SqsQueue
from uploadsvc.events.receivers import Outcome, Receiver, Receivers
from uploadsvc.events.redrive import redrive
from uploadsvc.events.samples import sample_event, send_sample
from uploadsvc.server import runner
from uploadsvc.server.errors import CannotStartError
from uploadsvc.server.logging import configure_logs, silence_logs
from uploadsvc.server.workers import log_failure, log_refusal
from uploadsvc.settings import Settings, SettingsError, load_settings
from uploadsvc.telemetry.export_settings import begin_export
from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.telemetry.tracing import Tracing

_QUEUE = ("events", "queue_url")
_log = structlog.get_logger("uploadsvc")


def run_worker() -> None:
    """Deliver events until SIGINT or SIGTERM.

    Raises:
        SettingsError: A setting is wrong, or the queue does not exist or may not be used.
        BindError: The address of the metrics is in use.
        TracingError: Traces cannot be exported as the environment says.
    """
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        # As in `serve`: nothing can be reloaded yet, and logs go to standard error.
        signal.signal(number, signal.SIG_IGN)
    settings, metrics = load_settings(), Metrics()
    logs = configure_logs(terminal=settings.log.format == "plain", waits=False, level=settings.log.level)
    if logs is not None:
        metrics.log_lines_dropped.follow(logs.dropped_lines)
    traces = begin_export(os.environ)
    shift = _Shift(settings, metrics)
    on_end = traces.close if traces else lambda: None
    runner.run(_work(shift, metrics, bind_metrics(settings), on_end=on_end))


def _receivers(settings: Settings, services: Services) -> Receivers:
    receivers = build_receivers(settings, services)
    if not receivers:
        message = "missing; the receivers of events"
        raise SettingsError(("events", "webhooks"), message)
    return receivers


class _Shift:
    """A worker with one version of the settings.

    Args:
        settings: The settings.
        metrics: Metrics of the process.

    Raises:
        SettingsError: A setting is wrong.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        queue_url(settings)
        self.settings = settings
        self.stopping = asyncio.Event()
        self.ready = asyncio.Event()
        self._metrics = metrics
        with metrics.following() as self._following:
            self._services = build_services(settings, metrics=metrics, tracing=Tracing())
            self._receivers = _receivers(settings, self._services)

    async def run(self, *, scraped: bool, check: bool = False) -> None:
        """Deliver events until stopped.

        Args:
            scraped: Whether to measure the queue depths.
            check: Whether to check the queue before reporting ready.

        Raises:
            SettingsError: The queue does not exist or may not be used.
        """
        settings, services = self.settings, self._services
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(services.open())
            await stack.enter_async_context(self._receivers.open())
            queue = await stack.enter_async_context(open_queue(settings, services))
            with self._metrics.following() as following:
                worker = build_worker(settings, services, queue=queue, receivers=self._receivers)
            stack.callback(following.release)
            stack.callback(self._following.release)
            try:
                if check:
                    await _check_rights(queue)
                self.ready.set()
                if scraped:
                    await stack.enter_async_context(QueueDepths(queue, self._metrics).open())
                await worker.run(self.stopping)
            except QueueRefusedError as error:
                raise SettingsError(_QUEUE, str(error)) from None


async def _check_rights(queue: SqsQueue) -> None:
    try:
        await queue.check()
    except QueueRefusedError:
        raise
    except QueueError:
        # The worker waits for this task.
        return


async def _work(
    shift: _Shift, metrics: Metrics, scrapes: socket.socket | None, *, on_end: Callable[[], None]
) -> None:
    """Deliver events with the initial settings, and with new ones after each SIGHUP."""
    loop, told, scraped = asyncio.get_running_loop(), asyncio.Event(), scrapes is not None
    started_with, shifts = shift.settings, {asyncio.create_task(shift.run(scraped=scraped)): shift}

    def stop() -> None:
        _log.info("stopping", pid=os.getpid())
        for each in shifts.values():
            each.stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, told.set)
    async with answered(metrics, scrapes):
        while shifts:
            waiting = asyncio.create_task(told.wait())
            await asyncio.wait({waiting, *shifts}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            for task in [task for task in shifts if task.done()]:
                del shifts[task]
                await task
            if told.is_set():
                told.clear()
                await _replace(shifts, started_with, metrics, scraped=scraped)
    await asyncio.to_thread(on_end)
    _log.info("stopped", pid=os.getpid())


async def _replace(
    shifts: "dict[asyncio.Task[None], _Shift]", started_with: Settings, metrics: Metrics, *, scraped: bool
) -> None:
    """Start a worker with the current settings, and stop the others once it is ready."""
    others = [other for other in shifts.values() if not other.stopping.is_set()]
    if not others:
        return
    try:
        shift = _Shift(read_again(started_with), metrics)
        task = asyncio.create_task(shift.run(scraped=scraped, check=True))
        shifts[task] = shift
        ready = asyncio.create_task(shift.ready.wait())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if task.done():
            del shifts[task]
            await task
    except (CannotStartError, SettingsError, UploadsvcError) as error:
        log_refusal(str(error))
        return
    except Exception as error:  # noqa: BLE001 - the other shift works on
        log_failure(error)
        return
    for other in others:
        other.stopping.set()
    _log.info("settings_reloaded", workers=1)


def move_dead_letters() -> None:
    """Move messages from the dead-letter queue back to the queue, and print their number.

    Raises:
        SettingsError: A setting is wrong, or the queue does not exist or may not be used.
        SystemExit: The queue fails.
    """
    silence_logs()
    settings = load_settings()
    queue_url(settings)
    services = build_services(settings)
    moved = asyncio.run(_move(settings, services))
    say(f"moved {moved} message{'' if moved == 1 else 's'} back into the queue")


async def _move(settings: Settings, services: Services) -> int:
    async with services.open(), open_queue(settings, services) as queue:
        try:
            async with await queue.dead_letters() as dead_letters:
                return await redrive(dead_letters, queue, before=services.clock())
        except QueueRefusedError as error:
            raise SettingsError(_QUEUE, str(error)) from None
        except QueueError as error:
            raise stop(str(error)) from None


def test_receivers() -> None:
    """Send a sample event to every receiver, and print a line for each.

    Raises:
        SettingsError: A setting is wrong.
        Exit: Always, with the status.
    """
    silence_logs()
    settings = load_settings()
    services = build_services(settings)
    receivers = _receivers(settings, services)
    outcomes = asyncio.run(_test(services, receivers))
    for receiver, outcome in outcomes:
        sign = "✓" if outcome.state == "delivered" else "✗"
        typer.echo(f"{sign} {receiver.id}: {outcome.reason or outcome.state}")
    raise typer.Exit(0 if all(outcome.state == "delivered" for _, outcome in outcomes) else 1)


async def _test(services: Services, receivers: Receivers) -> list[tuple[Receiver, Outcome]]:
    event = sample_event(uuid4().hex, now=services.clock())
    async with services.open(), receivers.open():
        return await send_sample(receivers, event)
