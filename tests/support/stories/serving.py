"""ASGI apps on ports of 127.0.0.1, in the tests' own process."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from socket import socket

import uvicorn
from starlette.types import ASGIApp

from uploadsvc.server import runner as server
from uploadsvc.server.capacity import Capacity
from uploadsvc.server.listener import bind
from uploadsvc.settings.server import ServerSettings


class _Server(uvicorn.Server):
    """Tells when it listens, and leaves signals to whoever runs the tests."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@asynccontextmanager
async def served(app: ASGIApp, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve an app as the service itself is served, and give its origin.

    Args:
        app: Its lifespan is run too, where it has one.
        host: What pages call it by; it listens on 127.0.0.1.
    """
    listener = bind("127.0.0.1", 0)
    running = _Server(uvicorn.Config(app, **server.options(Capacity(ServerSettings(), overloaded=app))))
    serving = asyncio.create_task(running.serve(sockets=[listener]))
    try:
        listens = asyncio.create_task(running.listens.wait())
        await asyncio.wait({serving, listens}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            listens.cancel()
            await serving
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        running.should_exit = True
        await serving
