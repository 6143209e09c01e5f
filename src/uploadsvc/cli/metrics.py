"""Where ``serve`` and ``events`` answer scrapes of their metrics."""

import socket
from contextlib import AbstractAsyncContextManager, nullcontext

from uploadsvc.server.listener import bind
from uploadsvc.settings import Settings
from uploadsvc.settings.types import variable
from uploadsvc.telemetry.exporter import Exporter
from uploadsvc.telemetry.metrics import Metrics


def bind_metrics(settings: Settings) -> socket.socket | None:
    """Return a socket bound to the address of the metrics; ``None`` if they are off.

    Raises:
        BindError: The address is in use, not permitted or not one of this machine.
    """
    if settings.metrics.listen is None:
        return None
    host, port = settings.metrics.listen
    return bind(host, port, advice=f"set another address in {variable('metrics', 'address')}")


def answered(metrics: Metrics, listener: socket.socket | None) -> AbstractAsyncContextManager[None]:
    """Return a context in which a process without workers answers scrapes, if there is a socket for them."""
    return nullcontext() if listener is None else Exporter(metrics, name="1").open(listener)
