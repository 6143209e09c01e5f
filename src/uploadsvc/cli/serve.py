"""``uploadsvc serve``, and the app of its worker processes.

The parent of the workers never loads the service, so it starts them at once and stays small.
"""
# ruff: noqa: PLC0415 - see above

import asyncio
import functools
import os
import signal
import socket
from typing import TYPE_CHECKING

from uploadsvc.server import collector
from uploadsvc.server.listener import bind
from uploadsvc.server.logging import configure_logs
from uploadsvc.server.workers import CannotStartError, Workers
from uploadsvc.settings import Settings, SettingsError, load_settings
from uploadsvc.telemetry.export_settings import TracingError, begin_export, exports_traces

if TYPE_CHECKING:
    from fastapi import FastAPI


def run_service(*, host: str, port: int, workers: int, root_path: str) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        workers: Number of processes.
        root_path: Path that a proxy strips.

    Raises:
        SettingsError: A setting is wrong.
        TracingError: Traces cannot be exported as the environment says.
        CannotStartError: A worker found a wrong setting.
        BindError: The address is in use.
        ProvisioningError: The demo's bucket cannot be set up.
        SystemExit: The service cannot start.
    """
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        # Other services reload or reopen their logs by these. Settings are read once.
        signal.signal(number, signal.SIG_IGN)
    settings = load_settings()
    _configure_logs(settings)
    settings.check_demo_address(host)
    exports_traces(os.environ)
    if workers == 1:
        _serve_alone(settings, host, port, root_path)
        return
    listener = _listener(settings, host, port)
    factory = functools.partial(worker_app, settings)
    asyncio.run(Workers(factory, listener, workers, root_path=root_path).run())


def _serve_alone(settings: Settings, host: str, port: int, root_path: str) -> None:
    collector.pause()
    from uploadsvc.server import runner

    service = _app(settings)
    listener = _listener(settings, host, port)
    runner.run(runner.serve(service, listener, on_started=collector.resume, root_path=root_path))


def _configure_logs(settings: Settings) -> None:
    configure_logs(terminal=settings.log.format == "plain", waits=False, level=settings.log.level)


def _listener(settings: Settings, host: str, port: int) -> socket.socket:
    listener = bind(host, port)
    if settings.demo:
        from uploadsvc.bootstrap.bucket import prepare_bucket

        asyncio.run(prepare_bucket(settings, origins=settings.cors.allow_origins))
    return listener


def worker_app(settings: Settings) -> "FastAPI":
    """Return the app of a worker process. All workers have the same settings, whenever they start.

    Raises:
        CannotStartError: A setting is wrong.
    """
    _configure_logs(settings)
    try:
        return _app(settings)
    except (SettingsError, TracingError) as error:
        raise CannotStartError(str(error)) from None


def _app(settings: Settings) -> "FastAPI":
    from uploadsvc.app import create_app

    traces = begin_export(os.environ)
    app = create_app(settings, check_bucket=True, tracer_provider=traces.provider if traces else None)
    if traces:
        app.state.on_end = traces.close
    return app
