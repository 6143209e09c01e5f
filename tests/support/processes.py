"""``uploadsvc`` as a process of its own: started with an environment, spoken to, told to stop."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import httpx
from tests.support.forked import Process, fork
from tests.support.servers import S3Server
from tests.support.service import JWT_SECRET, SECRET_KEY

import uploadsvc

DEADLINE: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A running ``uploadsvc``.

    Attributes:
        process: It.
        out_path: Its standard output so far.
        err_path: Its standard error so far.
    """

    process: Process
    out_path: Path
    err_path: Path

    @property
    def out(self) -> str:
        """What it has printed."""
        return self.out_path.read_text()

    @property
    def err(self) -> str:
        """What it has logged."""
        return self.err_path.read_text()

    @property
    def lines(self) -> list[str]:
        """The lines that it has logged so far, without one that is not whole yet.

        A thread of the service writes them, some time after what they tell of.
        """
        return self.err.rpartition("\n")[0].splitlines()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds; fail when it ends before, or takes too long."""

        async def holds() -> bool:
            return condition()

        await self._until(holds)

    async def answers(self, url: str) -> None:
        """Wait until it serves a URL. It may ask servers of this event loop for it."""
        async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE) as client:

            async def served() -> bool:
                with suppress(httpx.TransportError):
                    return (await client.get(url)).is_success
                return False

            await self._until(served)

    async def _until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not await condition():
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.err}"
            assert time.monotonic() < deadline, f"took too long:\n{self.out}\n{self.err}"
            await asyncio.sleep(0.02)

    async def ended(self, signal_number: int | None = None, *, seconds: float = DEADLINE) -> int:
        """Send a signal, if any, and give the exit status that follows within so many seconds."""
        if signal_number is not None:
            self.process.send_signal(signal_number)
        return await asyncio.to_thread(self.process.wait, seconds)


@asynccontextmanager
async def program(
    *arguments: str,
    directory: Path,
    environment: Mapping[str, str] | None = None,
    fresh: bool = False,
    module: str = "uploadsvc",
) -> AsyncIterator[Program]:
    """Start ``uploadsvc`` in a directory with this environment alone, and kill what is left of it.

    Args:
        arguments: Of the command line.
        directory: Where it runs, and where its output goes.
        environment: Added to the few variables that every program needs.
        fresh: Start Python anew, as variables of Python's own do too. Otherwise it is forked from a process
            that has imported everything.
        module: Another module to run, unless Python starts anew.
    """
    out_path, err_path = directory / "out.log", directory / "err.log"
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        # The same sources as the tests import, whatever is installed.
        "PYTHONPATH": str(Path(uploadsvc.__file__).parents[1]),
        **(environment or {}),
    }
    fresh = fresh or any(name.startswith("PYTHON") for name in environment or {})
    start = _fresh if fresh else partial(fork, module=module)
    with out_path.open("wb") as out, err_path.open("wb") as err:
        process = start(arguments, directory=directory, environment=variables, out=out, err=err)
    try:
        yield Program(process=process, out_path=out_path, err_path=err_path)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _fresh(
    arguments: Sequence[str], *, directory: Path, environment: Mapping[str, str], out: BinaryIO, err: BinaryIO
) -> Process:
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "uploadsvc", *arguments],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        start_new_session=True,
    )


@asynccontextmanager
async def demo(
    directory: Path, port: int, *arguments: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """Run ``uploadsvc dev`` until it says that it runs; end it as Ctrl-C does, its S3 with it."""
    command = ("dev", "--port", str(port), *arguments)
    async with program(*command, directory=directory, environment=environment, fresh=True) as running:
        try:
            await running.until(lambda: "Ctrl-C ends it" in running.out)
            yield running
        finally:
            if running.process.poll() is None:
                await running.ended(signal.SIGINT)


def environment_for(server: S3Server, **more: str) -> dict[str, str]:
    """Return the variables with which ``uploadsvc serve`` reaches an S3 server."""
    return {
        "UPLOADSVC_SECRET_KEY": SECRET_KEY,
        "UPLOADSVC_S3__BUCKET": server.bucket,
        "UPLOADSVC_S3__REGION": server.region,
        "UPLOADSVC_S3__ENDPOINT_URL": server.endpoint_url,
        "UPLOADSVC_S3__ACCESS_KEY_ID": server.access_key_id,
        "UPLOADSVC_S3__SECRET_ACCESS_KEY": server.secret_access_key,
        "UPLOADSVC_AUTH__JWT__SECRET": JWT_SECRET,
        **more,
    }


def curl_line(printed: str) -> str:
    """Find the line to paste in what ``uploadsvc dev`` has printed."""
    found = re.search(r"^\s*(curl .*)$", printed, re.MULTILINE)
    assert found, printed
    return found[1]


def is_alive(pid: int) -> bool:
    """Tell whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
