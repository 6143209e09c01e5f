"""Run of a command: uploads all its files, several at a time. Ctrl-C pauses it."""

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from uploadsvc.client.api import UploadOptions
from uploadsvc.client.auth import Caller
from uploadsvc.client.display import Display, FileDisplay
from uploadsvc.client.errors import Retries, UploadsvcError
from uploadsvc.client.file import open_file
from uploadsvc.client.folders import Source, absolute, sources
from uploadsvc.client.models import Stored
from uploadsvc.client.resume import ResumeStore, state_name
from uploadsvc.client.session import Session
from uploadsvc.client.upload import Context, Upload

ALL_STORED: Final = 0
SOME_FAILED: Final = 1

_STOPS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Parameters of a run.

    Attributes:
        url: URL of the service.
        caller: Credentials.
        on_behalf_of: User that a service uploads for.
        options: Options for each file.
        parallel: Maximum number of concurrent transfers.
        retries: Maximum number of retries of each request.
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
        """Upload files, and the files in folders.

        Returns:
            `ALL_STORED` or `SOME_FAILED`.
        """
        named = sources(files, prefix=self.options.relative_key)
        display.expect(_size(source.path) for source in named)
        self.resume.tidy()
        async with Session(
            self.url, self.caller, retries=self.retries, parallel=self.parallel, tell=display.tell
        ) as session:
            context = Context(
                url=self.url,
                api=session.api,
                transfer=session.transfer,
                resume=self.resume,
                options=self.options,
                parallel=self.parallel,
            )
            try:
                named = await self._keyed(named, context, display)
            except UploadsvcError as problem:
                for path in files:
                    display.failed(str(path), problem)
                return SOME_FAILED
            turns = asyncio.Semaphore(self.parallel)
            tasks = [asyncio.create_task(self._one(source, context, turns, display)) for source in named]
            try:
                results = await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        if not all(results):
            return SOME_FAILED
        # Only after all files: until then, a repeated command must find its finished uploads.
        for source in named:
            self.resume.forget(self._state_name(source))
        return ALL_STORED

    async def _keyed(self, named: list[Source], context: Context, display: Display) -> list[Source]:
        """Put the folders of files into the field that the policy accepts, or leave them out."""
        if all(source.relative_key is None for source in named):
            return named
        field = await context.api.folder_field(self.options.policy)
        if field == "relative_key":
            return named
        if field == "filename":
            return [replace(source, relative_key=None, filename=source.relative_key) for source in named]
        display.tell("the policy chooses keys itself, so folders are not kept")
        return [replace(source, relative_key=None) for source in named]

    async def _one(
        self, source: Source, context: Context, turns: asyncio.Semaphore, display: Display
    ) -> bool:
        async with turns:
            try:
                stored = await self._stored(source, context, display)
            except UploadsvcError as problem:
                display.failed(str(source.path), problem)
                return False
            display.stored(str(source.path), stored)
            return True

    async def _stored(self, source: Source, context: Context, display: Display) -> Stored:
        own = replace(context, options=self._options(source))
        with open_file(source.path) as file:
            shown: FileDisplay = display.file(str(source.path), file.size)
            try:
                return await Upload(own, file, shown, self._state_name(source)).run()
            finally:
                shown.end()

    def _options(self, source: Source) -> UploadOptions:
        if source.filename is not None:
            return replace(self.options, filename=source.filename)
        if source.relative_key is None:
            return self.options
        return replace(self.options, relative_key=source.relative_key)

    def _state_name(self, source: Source) -> str:
        asked = {
            **self._options(source).fields(),
            "checksum": self.options.checksum,
            "on_behalf_of": self.on_behalf_of,
        }
        return state_name(self.url, absolute(source.path), asked)


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


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # reported when the file is opened
