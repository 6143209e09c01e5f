"""The service on a port of 127.0.0.1 in a thread of its own, for synchronous clients."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from socket import socket
from typing import Any, Final

import uvicorn

from uploadsvc.app import create_app
from uploadsvc.settings import Settings

_DEADLINE: Final = 30.0


class _Server(uvicorn.Server):
    """Signals when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Open the port, and signal."""
        await super().startup(sockets)
        self.listens.set()


@contextmanager
def running_service(settings: Mapping[str, Any]) -> Iterator[str]:
    """Run the service; yield its base URL.

    Args:
        settings: Settings of `tests.support.service.settings_for`.
    """
    app = create_app(Settings.model_validate(dict(settings)))
    server = _Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, proxy_headers=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.listens.wait(_DEADLINE)
        assert server.started
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(_DEADLINE)
        assert not thread.is_alive()
