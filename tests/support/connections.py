"""Connections to the service's own server, byte by byte."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final

from fastapi import FastAPI

from uploadsvc.server import runner
from uploadsvc.server.listener import bind
from uploadsvc.settings.server import ServerSettings

PATIENCE: Final = 20.0
Address = tuple[str, int]


@asynccontextmanager
async def serving(app: FastAPI, root_path: str = "", /, **limits: float) -> AsyncIterator[Address]:
    """Serve an app with these limits, below a path that a proxy has stripped; give its address."""
    app.state.limits = ServerSettings.model_construct(**limits)  # type: ignore[arg-type] # parts of a second
    listener, started = bind("127.0.0.1", 0), asyncio.Event()
    running = asyncio.create_task(
        runner.serve(app, listener, on_started=started.set, stops=(signal.SIGUSR1,), root_path=root_path)
    )
    await started.wait()
    try:
        yield listener.getsockname()
    finally:
        signal.raise_signal(signal.SIGUSR1)
        await running
        asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)


async def answers(server: Address, pieces: Iterable[bytes]) -> bytes:
    """Send pieces until the server has heard enough; return all that it says until it closes."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(*server)
        said = asyncio.create_task(reader.read())
        with suppress(ConnectionError):
            for piece in pieces:
                if said.done():
                    break
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        try:
            return await said
        finally:
            writer.close()


def problem(said: bytes) -> tuple[int, str]:
    """Return the status and the code of a problem."""
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"\r\nconnection: close" in head.lower()
    content = json.loads(body)
    assert content.keys() == {"type", "title", "status", "detail", "code", "errors"}
    assert head.split()[1] == str(content["status"]).encode()
    return content["status"], content["code"]
