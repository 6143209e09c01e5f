"""A run: all files of one command, several at once; ended by Ctrl-C so that the same command goes on."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import uvloop

from uploadsvc.client.api import Service, Stored
from uploadsvc.client.auth import Caller
from uploadsvc.client.display import Display, FileDisplay
from uploadsvc.client.errors import UploadProblem
from uploadsvc.client.file import opened
from uploadsvc.client.request import Wish
from uploadsvc.client.resume import States, state_name
from uploadsvc.client.retries import Retries
from uploadsvc.client.transfer import Transfer
from uploadsvc.client.upload import Tools, Upload

ALL_STORED: Final = 0
SOME_FAILED: Final = 1

_STOPS: Final = (signal.SIGINT, signal.SIGTERM)
# A whole part may lie in buffers when its last byte is "sent", and S3 answers once it has them all.
_TIMEOUT: Final = httpx.Timeout(60.0, connect=15.0, pool=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What shall be done.

    Attributes:
        url: Of the service.
        caller: Who calls.
        on_behalf_of: For whom, where a service calls.
        wish: What is asked for, for each file.
        parallel: The most requests with bytes under way.
        retries: How often each request is tried again.
        states: What is remembered of earlier runs.
    """

    url: str
    caller: Caller
    on_behalf_of: str | None = None
    wish: Wish = field(default_factory=Wish)
    parallel: int = 4
    retries: Retries = field(default_factory=Retries)
    states: States

    async def upload(self, files: Sequence[Path], display: Display) -> int:
        """Upload files.

        Returns:
            `ALL_STORED` or `SOME_FAILED`.
        """
        # One file named twice is one file: two uploads of it would take each other's state for their own.
        names = {_absolute(path): path for path in reversed(files)}
        paths = list(reversed(names.values()))
        display.expect(_size(path) for path in paths)
        self.states.tidy()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=self.parallel)
        async with (
            httpx.AsyncClient(base_url=self.url, timeout=_TIMEOUT) as api,
            httpx.AsyncClient(timeout=_TIMEOUT, limits=limits) as s3,
        ):
            tools = Tools(
                url=self.url,
                service=Service(api, self.caller, self.retries),
                transfer=Transfer(s3, self.parallel),
                states=self.states,
                wish=self.wish,
                parallel=self.parallel,
            )
            turns = asyncio.Semaphore(self.parallel)
            tasks = [asyncio.create_task(self._one(path, tools, turns, display)) for path in paths]
            try:
                results = await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        if not all(results):
            return SOME_FAILED
        # Only now: until all is done, the same command is to find what it has stored.
        for path in paths:
            self.states.forget(self._state_name(path))
        return ALL_STORED

    async def _one(self, path: Path, tools: Tools, turns: asyncio.Semaphore, display: Display) -> bool:
        async with turns:
            try:
                stored = await self._stored(path, tools, display)
            except UploadProblem as problem:
                display.failed(str(path), problem)
                return False
            display.stored(str(path), stored)
            return True

    async def _stored(self, path: Path, tools: Tools, display: Display) -> Stored:
        with opened(path) as source:
            shown: FileDisplay = display.file(str(path), source.size)
            try:
                return await Upload(tools, source, shown, self._state_name(path)).run()
            finally:
                shown.end()

    def _state_name(self, path: Path) -> str:
        asked = {**self.wish.fields(), "checksum": self.wish.checksum, "on_behalf_of": self.on_behalf_of}
        return state_name(self.url, _absolute(path), asked)


def run(what: Run, files: Sequence[Path], display: Display) -> int:
    """Upload files, and return the command's exit status; after a signal, 128 and the signal's number."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_until_stopped(what, files, display))


async def _until_stopped(what: Run, files: Sequence[Path], display: Display) -> int:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    stopped_by: list[int] = []

    def stop(number: int) -> None:
        stopped_by.append(number)
        for one in _STOPS:
            # A second one ends it at once.
            loop.remove_signal_handler(one)
            signal.signal(one, signal.SIG_DFL)
        if task is not None:
            task.cancel()

    for number in _STOPS:
        loop.add_signal_handler(number, stop, number)
    try:
        with display:
            return await what.upload(files, display)
    except asyncio.CancelledError:
        if not stopped_by:
            raise
        sys.stderr.write("uploadsvc: paused; the same command goes on\n")
        return 128 + stopped_by[0]


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps "..", which makes two of one


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # what is wrong with it is told in its turn
