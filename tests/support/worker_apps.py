"""Apps that workers start with, in a module that each worker process imports quickly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from uploadsvc.server.logging import configure_logs
from uploadsvc.server.workers import CannotStartError
from uploadsvc.telemetry.metrics import Metrics


def working(_metrics: Metrics) -> FastAPI:
    """Return an app that starts."""
    return FastAPI()


def broken(_metrics: Metrics) -> FastAPI:
    """Return an app whose lifespan fails."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield app.state.nothing

    return FastAPI(lifespan=lifespan)


def crashing(_metrics: Metrics) -> FastAPI:
    """Crash, as a bug does, with logs like those of `serve`."""
    configure_logs(terminal=False, waits=False)
    message = "a bug with Authorization: Bearer hunter2"
    raise ZeroDivisionError(message)


def starts_once(started: Path, metrics: Metrics) -> FastAPI:
    """Return an app that starts the first time only."""
    with started.open("a") as file:
        file.write(".")
    return working(metrics) if started.stat().st_size == 1 else broken(metrics)


def refused(_metrics: Metrics) -> FastAPI:
    """Return no app, for reasons that fill more than one message of a pipe."""
    message = "\n".join(f"UPLOADSVC_{number}: wrong" for number in range(1000))
    raise CannotStartError(message)
