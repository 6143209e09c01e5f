"""``uploadsvc serve``, and the app of its worker processes.

The parent of the workers never imports the service, so it starts fast and stays small.
"""
# ruff: noqa: PLC0415 - see above

import asyncio
import functools
import os
import signal
import socket
from typing import TYPE_CHECKING

import structlog

from uploadsvc.cli.metrics import answered, bind_metrics
from uploadsvc.cli.reload import read_again
from uploadsvc.server import collector
from uploadsvc.server.descriptors import raise_limit
from uploadsvc.server.listener import bind
from uploadsvc.server.logging import configure_logs
from uploadsvc.server.workers import CannotStartError, Workers, log_failure, log_refusal
from uploadsvc.settings import Settings, SettingsError, load_settings
from uploadsvc.telemetry.export_settings import TracingError, begin_export, exports_traces
from uploadsvc.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from fastapi import FastAPI

    from uploadsvc.server.served import Served

_log = structlog.get_logger("uploadsvc")


def run_service(*, host: str, port: int, workers: int, root_path: str) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        workers: Number of worker processes.
        root_path: Path prefix that a proxy strips.

    Raises:
        SettingsError: A setting is wrong.
        TracingError: Traces cannot be exported as the environment says.
        CannotStartError: A worker found an invalid setting.
        BindError: The address is in use, or that of the metrics.
        ProvisioningError: The demo's bucket cannot be set up.
        SystemExit: The service cannot start.
    """
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        # Ignored until it serves: there is nothing to reload. The other signals make other services reopen
        # logs.
        signal.signal(number, signal.SIG_IGN)
    raise_limit()
    settings, metrics = load_settings(), Metrics()
    _configure_logs(settings, metrics)
    settings.check_demo_address(host)
    exports_traces(os.environ)
    if workers == 1:
        _serve_alone(settings, metrics, host, port, root_path)
        return
    listener, scrapes = _listener(settings, host, port), bind_metrics(settings, service_port=port)
    factory = functools.partial(worker_app, settings)
    group = Workers(
        factory,
        listener,
        workers,
        root_path=root_path,
        drain_delay=settings.server.drain_delay,
        metrics=metrics,
        scrapes=scrapes,
        reload=lambda: functools.partial(worker_app, read_again(settings)),
    )
    asyncio.run(group.run())


def _serve_alone(settings: Settings, metrics: Metrics, host: str, port: int, root_path: str) -> None:
    collector.pause()
    from uploadsvc.server import runner
    from uploadsvc.server.served import Served

    service = _app(settings, metrics)
    listener, scrapes = _listener(settings, host, port), bind_metrics(settings, service_port=port)

    async def serve() -> None:
        served = Served(service)
        reloading = asyncio.create_task(_reload_on_signal(served, settings, metrics))
        async with answered(metrics, scrapes):
            await runner.serve(served, listener, on_started=collector.resume, root_path=root_path)

        reloading.cancel()

    runner.run(serve())


def _configure_logs(settings: Settings, metrics: Metrics) -> None:
    logs = configure_logs(terminal=settings.log.format == "plain", waits=False, level=settings.log.level)
    if logs is not None:
        metrics.log_lines_dropped.follow(logs.dropped_lines)


async def _reload_on_signal(served: "Served", settings: Settings, metrics: Metrics) -> None:
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, told.set)
    while True:
        await told.wait()
        told.clear()
        try:
            factory = functools.partial(worker_app, read_again(settings), metrics)
            await served.prepare(factory)
        except CannotStartError as error:
            log_refusal(str(error))
        except Exception as error:  # noqa: BLE001 - the current app serves on
            log_failure(error)
        else:
            served.switch()
            _log.info("settings_reloaded", workers=1)


def _listener(settings: Settings, host: str, port: int) -> socket.socket:
    listener = bind(host, port)
    if settings.demo:
        from uploadsvc.bootstrap.bucket import prepare_bucket

        asyncio.run(prepare_bucket(settings, origins=settings.cors.allow_origins))
    return listener


def worker_app(settings: Settings, metrics: Metrics) -> "FastAPI":
    """Build the app of a worker process. All workers get the same settings, whenever they start.

    Args:
        settings: The settings.
        metrics: Metrics of the process.

    Raises:
        CannotStartError: A setting is wrong.
    """
    if not structlog.is_configured():
        # Only at the start, not after a reload.
        _configure_logs(settings, metrics)
    try:
        return _app(settings, metrics)
    except (SettingsError, TracingError) as error:
        raise CannotStartError(str(error)) from None


def _app(settings: Settings, metrics: Metrics) -> "FastAPI":
    from uploadsvc.app import create_app

    traces = begin_export(os.environ)
    app = create_app(settings, check_bucket=True, metrics=metrics)
    if traces:
        app.state.on_end = traces.close
    return app
