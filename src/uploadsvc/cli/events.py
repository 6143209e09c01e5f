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
from uploadsvc.events.depths import QueueDepths
from uploadsvc.events.queue import QueueError, QueueRefusedError
from uploadsvc.events.receivers import Outcome, Receiver, Receivers
from uploadsvc.events.redrive import redrive
from uploadsvc.events.samples import sample_event, send_sample
from uploadsvc.server import runner
from uploadsvc.server.logging import configure_logs, silence_logs
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
        # As `serve`: settings are read once, and logs go to standard error.
        signal.signal(number, signal.SIG_IGN)
    settings, metrics = load_settings(), Metrics()
    logs = configure_logs(terminal=settings.log.format == "plain", waits=False, level=settings.log.level)
    if logs is not None:
        metrics.log_lines_dropped.follow(logs.dropped_lines)
    queue_url(settings)
    traces = begin_export(os.environ)
    tracing = Tracing(traces.provider if traces else None)
    services = build_services(settings, metrics=metrics, tracing=tracing)
    receivers = _receivers(settings, services)
    on_end = traces.close if traces else lambda: None
    runner.run(_work(settings, services, receivers, scrapes=bind_metrics(settings), on_end=on_end))


def _receivers(settings: Settings, services: Services) -> Receivers:
    receivers = build_receivers(settings, services)
    if not receivers:
        message = "missing; the receivers of events"
        raise SettingsError(("events", "webhooks"), message)
    return receivers


async def _work(
    settings: Settings,
    services: Services,
    receivers: Receivers,
    *,
    scrapes: socket.socket | None,
    on_end: Callable[[], None],
) -> None:
    stopping = asyncio.Event()

    def stop() -> None:
        _log.info("stopping", pid=os.getpid())
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answered(services.metrics, scrapes))
        await stack.enter_async_context(services.open())
        await stack.enter_async_context(receivers.open())
        queue = await stack.enter_async_context(open_queue(settings, services))
        worker = build_worker(settings, services, queue=queue, receivers=receivers)
        if scrapes is not None:
            await stack.enter_async_context(QueueDepths(queue, services.metrics).open())
        try:
            await worker.run(stopping)
        except QueueRefusedError as error:
            raise SettingsError(_QUEUE, str(error)) from None
    await asyncio.to_thread(on_end)
    _log.info("stopped", pid=os.getpid())


def move_dead_letters() -> None:
    """Move the messages of the dead-letter queue back, and say how many they were.

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
