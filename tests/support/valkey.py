"""Valkey, or the Redis of the system, which speaks the same protocol."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
from tests.support.servers import free_port

_DEADLINE: Final = 15.0


class ValkeyServer:
    """A server on 127.0.0.1 that keeps nothing on disk.

    Args:
        directory: Where it writes its log.
        arguments: More options of its command line.

    Attributes:
        port: Its port, which stays the same when it is started again.
    """

    def __init__(self, directory: Path, arguments: Sequence[str] = ()) -> None:
        self.port = free_port()
        self._directory = directory
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, without a credential."""
        return f"valkey://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        found = (shutil.which(name) for name in ("valkey-server", "redis-server"))
        program = next(filter(None, found), None)
        if program is None:
            pytest.skip("no Valkey: apt-get install redis-server")
        listens = [] if "--tls-port" in self._arguments else ["--port", str(self.port)]
        options = ["--bind", "127.0.0.1", *listens, "--save", "", "--appendonly", "no"]
        log = self._directory / "valkey.log"
        command = [program, *options, "--dir", str(self._directory), *self._arguments]
        self._process = process = _started(command, log)
        deadline = time.monotonic() + _DEADLINE
        while not await self._listens():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            await asyncio.sleep(0.01)

    async def _listens(self) -> bool:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.close()
            return True
        return False

    def signal(self, number: int) -> None:
        """Send a signal: SIGSTOP lets it hang, SIGCONT lets it go on."""
        if self._process is not None:
            os.kill(self._process.pid, number)

    def stop(self) -> None:
        """Kill it. Everything in it is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


def _started(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own arguments
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


@asynccontextmanager
async def valkey_server(directory: Path, *arguments: str) -> AsyncIterator[ValkeyServer]:
    """Run a server."""
    server = ValkeyServer(directory, arguments)
    await server.start()
    try:
        yield server
    finally:
        server.stop()
