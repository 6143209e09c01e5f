"""Bars on a terminal: one for each file under way, one for all."""

import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from uploadsvc.client.display import FileDisplay, FileLines, Lines, plain


class Bars(Lines):
    """A bar for each file under way and, of several, one for all, with rate and time left.

    Args:
        console: On standard error.
        as_json: As for `Lines`.
    """

    def __init__(self, console: Console, *, as_json: bool) -> None:
        super().__init__(as_json=as_json)
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            # Results go to standard output as they are, be it a pipe.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._all: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def expect(self, sizes: Iterable[int]) -> None:
        """Show a bar for all of several files."""
        known = list(sizes)
        if len(known) > 1:
            self._all = self._progress.add_task("all files", total=sum(known))

    def file(self, name: str, size: int) -> FileDisplay:
        """Show a bar for a file."""
        task = self._progress.add_task(plain(name), total=size)
        return _FileBar(self, name, self._progress, task, self._all)

    def err(self, line: str) -> None:
        """Print a line above the bars."""
        self._console.print(Text(line), soft_wrap=True)

    def out(self, line: str) -> None:
        """Print a line above the bars, unless it goes elsewhere."""
        if sys.stdout.isatty():
            self.err(line)
        else:
            super().out(line)


class _FileBar(FileLines):
    def __init__(self, bars: Bars, name: str, progress: Progress, task: TaskID, whole: TaskID | None) -> None:
        super().__init__(bars, name)
        self._progress = progress
        self._task = task
        self._whole = whole
        self._done = 0

    def reset(self, done: int) -> None:
        # What was there before says nothing of the rate.
        self._progress.reset(self._task, completed=done)
        if self._whole is not None:
            self._progress.update(self._whole, advance=done - self._done)
        self._done = done

    def moved(self, count: int) -> None:
        self._done += count
        for task in (self._task, self._whole):
            if task is not None:
                self._progress.update(task, advance=count)

    def end(self) -> None:
        self._progress.remove_task(self._task)


def standard_error() -> Console:
    """Return the terminal that bars are shown on."""
    return Console(stderr=True, highlight=False)
