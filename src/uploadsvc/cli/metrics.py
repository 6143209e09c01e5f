"""Listener for ``/metrics`` in ``serve`` and ``events``."""

import socket
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final

from uploadsvc.server.listener import bind
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.settings.types import variable
from uploadsvc.telemetry.exporter import Exporter
from uploadsvc.telemetry.metrics import Metrics

_ADDRESS: Final = ("metrics", "address")


def bind_metrics(settings: Settings, *, service_port: int | None = None) -> socket.socket | None:
    """Bind a socket for metrics. Returns ``None`` if they are off.

    Args:
        settings: The settings.
        service_port: Port of the service, whose socket may be bound already.

    Raises:
        BindError: The address is in use, not permitted or not one of this machine.
        SettingsError: The port is that of the service.
    """
    if settings.metrics.listen is None:
        return None
    host, port = settings.metrics.listen
    if port == service_port:
        # Two sockets can be bound to one address until one of them listens: socket(7), SO_REUSEADDR.
        message = f"needs a separate port; {port} is that of the service"
        raise SettingsError(_ADDRESS, message)
    return bind(host, port, advice=f"set another address in {variable(*_ADDRESS)}")


def answered(metrics: Metrics, listener: socket.socket | None) -> AbstractAsyncContextManager[None]:
    """Return a context in which a process without workers serves scrapes, if there is a socket."""
    return nullcontext() if listener is None else Exporter(metrics, name="1").open(listener)
