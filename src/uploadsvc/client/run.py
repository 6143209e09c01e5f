"""A run: uploads of all files of one command, several at a time. Ctrl-C pauses it."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from uploadsvc.client.api import Stored, UploadOptions, UploadsApi
from uploadsvc.client.auth import Caller
from uploadsvc.client.display import Display, FileDisplay
from uploadsvc.client.errors import Retries, UploadProblem
from uploadsvc.client.file import open_file
from uploadsvc.client.resume import ResumeStore, state_name
from uploadsvc.client.transfer import Transfer
from uploadsvc.client.upload import Context, Upload

ALL_STORED: Final = 0
SOME_FAILED: Final = 1

_STOPS: Final = (signal.SIGINT, signal.SIGTERM)
# A whole part may still be in buffers when its last byte is "sent"; S3 answers when it has all of it.
_TIMEOUT: Final = httpx.Timeout(60.0, connect=15.0, pool=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that a run needs.

    Attributes:
        url: URL of the service.
        caller: Credentials.
        on_behalf_of: User that a service uploads for.
        options: Options for each file.
        parallel: Maximum of concurrent transfers.
        retries: Retries of each request.
        resume: Saved uploads of earlier runs.
    """

    url: str
    caller: Caller
    on_behalf_of: str | None = None
    options: UploadOptions = field(default_factory=UploadOptions)
    parallel: int = 4
    retries: Retries = field(default_factory=Retries)
    resume: ResumeStore

    async def upload(self, files: Sequence[Path], display: Display) -> int:
        """Upload files.

        Returns:
            `ALL_STORED` or `SOME_FAILED`.
        """
        # A file named twice is uploaded once: two uploads would share one state file.
        names = {_absolute(path): path for path in reversed(files)}
        paths = list(reversed(names.values()))
        display.expect(_size(path) for path in paths)
        self.resume.tidy()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=self.parallel)
        async with (
            httpx.AsyncClient(base_url=self.url, timeout=_TIMEOUT) as api,
            httpx.AsyncClient(timeout=_TIMEOUT, limits=limits) as s3,
        ):
            context = Context(
                url=self.url,
                api=UploadsApi(api, self.caller, self.retries),
                transfer=Transfer(s3, self.parallel),
                resume=self.resume,
                options=self.options,
                parallel=self.parallel,
            )
            turns = asyncio.Semaphore(self.parallel)
            tasks = [asyncio.create_task(self._one(path, context, turns, display)) for path in paths]
            try:
                results = await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        if not all(results):
            return SOME_FAILED
        # Only after all files: until then, the same command must find the uploads it finished.
        for path in paths:
            self.resume.forget(self._state_name(path))
        return ALL_STORED

    async def _one(self, path: Path, context: Context, turns: asyncio.Semaphore, display: Display) -> bool:
        async with turns:
            try:
                stored = await self._stored(path, context, display)
            except UploadProblem as problem:
                display.failed(str(path), problem)
                return False
            display.stored(str(path), stored)
            return True

    async def _stored(self, path: Path, context: Context, display: Display) -> Stored:
        with open_file(path) as file:
            shown: FileDisplay = display.file(str(path), file.size)
            try:
                return await Upload(context, file, shown, self._state_name(path)).run()
            finally:
                shown.end()

    def _state_name(self, path: Path) -> str:
        asked = {
            **self.options.fields(),
            "checksum": self.options.checksum,
            "on_behalf_of": self.on_behalf_of,
        }
        return state_name(self.url, _absolute(path), asked)


def run(command: Run, files: Sequence[Path], display: Display) -> int:
    """Upload files and return the exit status; after a signal, 128 plus its number."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_until_stopped(command, files, display))


async def _until_stopped(command: Run, files: Sequence[Path], display: Display) -> int:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    stopped_by: list[int] = []

    def stop(number: int) -> None:
        stopped_by.append(number)
        for one in _STOPS:
            # A second signal ends the process at once.
            loop.remove_signal_handler(one)
            signal.signal(one, signal.SIG_DFL)
        if task is not None:
            task.cancel()

    for number in _STOPS:
        loop.add_signal_handler(number, stop, number)
    try:
        with display:
            return await command.upload(files, display)
    except asyncio.CancelledError:
        if not stopped_by:
            raise
        sys.stderr.write("uploadsvc: paused; run the same command to resume\n")
        return 128 + stopped_by[0]


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not available on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps "..", which makes two of one


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # reported when the file is opened
