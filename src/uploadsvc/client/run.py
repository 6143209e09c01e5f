"""A run: uploads of all files of one command, several at a time."""

import asyncio
import sys
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final

import anyio

from uploadsvc.client.aio import GOODBYE
from uploadsvc.client.api import UploadOptions
from uploadsvc.client.connection import Connection
from uploadsvc.client.display import Display, FileDisplay
from uploadsvc.client.errors import UploadsvcError
from uploadsvc.client.file import Content, open_file
from uploadsvc.client.folders import Source, absolute
from uploadsvc.client.models import Stored
from uploadsvc.client.resume import ResumeStore, state_name
from uploadsvc.client.source import opened, piped
from uploadsvc.client.upload import Context, Upload, same_key

ALL_STORED: Final = 0
SOME_FAILED: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Parameters of a run.

    Attributes:
        connection: The service, and who calls it.
        options: Options for each file.
        resume: Saved uploads of earlier runs.
    """

    connection: Connection
    options: UploadOptions
    resume: ResumeStore

    async def upload(self, files: Sequence[str], named: list[Source], display: Display) -> int:
        """Upload files.

        Args:
            files: What the user has named.
            named: The files that this stands for.
            display: Shows progress and results.

        Returns:
            `ALL_STORED` or `SOME_FAILED`.
        """
        display.expect(_size(source.path) for source in named)
        self.resume.tidy()
        if not named:
            display.tell("there is nothing to upload")
        parallel = self.connection.parallel
        async with self.connection.session(display.tell) as session:
            context = Context(
                url=session.url,
                api=session.api,
                transfer=session.transfer,
                resume=self.resume,
                options=self.options,
                parallel=parallel,
            )
            try:
                named = await self._keyed(named, context, display)
            except UploadsvcError as problem:
                for name in files:
                    display.failed(name, problem)
                return SOME_FAILED
            apart = list(_apart(named, display))
            turns = asyncio.Semaphore(parallel)
            tasks = [asyncio.create_task(self._one(source, context, turns, display)) for source in apart]
            try:
                results = await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        if len(apart) < len(named) or not all(results):
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
        display.tell("the policy chooses the keys, so folders are not kept")
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
        name = self._state_name(source)
        if source.is_standard_input:
            return await self._stored_from_standard_input(own.without_resume(), display)
        with open_file(source.path) as file:
            async with _shown(display, str(source.path), file) as shown:
                return await Upload(own, file, shown, name).run()

    async def _stored_from_standard_input(self, context: Context, display: Display) -> Stored:
        if sys.stdin.isatty():
            display.tell("reading what you type; Ctrl-D ends it")
        async with opened(_standard_input()) as content, _shown(display, "-", content) as shown:
            upload = Upload(context, content, shown, "")
            try:
                return await upload.run()
            except BaseException:
                # Nobody can resume it.
                with anyio.move_on_after(GOODBYE, shield=True):
                    await upload.discard()
                raise

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
            "on_behalf_of": self.connection.on_behalf_of,
        }
        return state_name(self.connection.url, absolute(source.path), asked)


def _apart(named: Iterable[Source], display: Display) -> Iterator[Source]:
    """Return the files to send. Each one with the key of an earlier one is reported: it would replace it."""
    keys = set[str]()
    for source in named:
        if source.relative_key is not None and source.relative_key in keys:
            display.failed(str(source.path), same_key())
            continue
        if source.relative_key is not None:
            keys.add(source.relative_key)
        yield source


@asynccontextmanager
async def _shown(display: Display, name: str, content: Content) -> AsyncIterator[FileDisplay]:
    shown = display.file(name, content.size)
    try:
        yield shown
    finally:
        shown.end()


def _standard_input() -> AsyncIterable[bytes] | IO[bytes]:
    """Return standard input: a file is sent from where it is, a pipe is read to its end first."""
    file = sys.stdin.buffer
    return file if file.seekable() else piped(file.fileno())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # reported when the file is opened
