"""``uploadsvc serve``, and the app of its worker processes."""

import asyncio
import functools
import signal

from fastapi import FastAPI

from uploadsvc.app import create_app
from uploadsvc.bootstrap.bucket import prepare_bucket
from uploadsvc.cli.messages import say
from uploadsvc.server import runner
from uploadsvc.server.listener import bind
from uploadsvc.server.logging import configure_logs
from uploadsvc.server.workers import Workers
from uploadsvc.settings import Settings, load_settings


def run_service(*, host: str, port: int, workers: int, root_path: str) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        workers: Number of processes.
        root_path: Path that a proxy strips.

    Raises:
        SettingsError: A setting is wrong.
        BindError: The address is in use.
        ProvisioningError: The demo's bucket cannot be set up.
        SystemExit: The service cannot start.
    """
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        # Other services reload or reopen their logs by these. Settings are read once.
        signal.signal(number, signal.SIG_IGN)
    configure_logs(terminal=False, waits=False)
    settings = load_settings()
    settings.check_demo_address(host)
    service = create_app(settings, check_bucket=True)
    listener = bind(host, port)
    if settings.demo:
        asyncio.run(prepare_bucket(settings, origins=settings.cors.allow_origins))
    if workers == 1:
        shown = f"[{host}]" if ":" in host else host

        def started() -> None:
            say(f"http://{shown}:{port}")

        runner.run(runner.serve(service, listener, on_started=started, root_path=root_path))
        return
    factory = functools.partial(worker_app, settings)
    asyncio.run(Workers(factory, listener, workers, root_path=root_path).run())


def worker_app(settings: Settings) -> FastAPI:
    """Return the app of a worker process. All workers have the same settings, whenever they start."""
    configure_logs(terminal=False, waits=False)
    return create_app(settings, check_bucket=True)
