"""What the user sees: bars on a terminal, else lines; results go to standard output, all else does not."""

import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, Self

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

from uploadsvc.client.problems import UploadProblem
from uploadsvc.client.service import Stored


class FileDisplay(Protocol):
    """Shows one file."""

    def reset(self, done: int) -> None:
        """So many bytes are there already."""

    def moved(self, count: int) -> None:
        """So many more were sent; fewer than none have to be sent again."""

    def say(self, text: str) -> None:
        """Tell something about the file, in one line."""

    def end(self) -> None:
        """Show it no longer."""


class Display(AbstractContextManager["Display"], Protocol):
    """Shows a run."""

    def expect(self, sizes: Iterable[int]) -> None:
        """Announce the files to come, by their bytes."""

    def file(self, name: str, size: int) -> FileDisplay:
        """Show a file of so many bytes."""

    def stored(self, name: str, stored: Stored) -> None:
        """Tell that a file is stored."""

    def failed(self, name: str, problem: UploadProblem) -> None:
        """Tell that it is not."""


class Lines(Display):
    """One line for each file, and one for each thing that happens to it.

    Args:
        as_json: Whether results are JSON objects, problems included.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def expect(self, sizes: Iterable[int]) -> None:
        """Show nothing of what is to come."""

    def file(self, name: str, size: int) -> FileDisplay:  # noqa: ARG002 - bars need it
        """Show what is said of a file, and no progress."""
        return _FileLines(self, name)

    def stored(self, name: str, stored: Stored) -> None:
        """Print the result."""
        if self._as_json:
            result = {"key": stored.key, "size": stored.size, "etag": stored.etag, "receipt": stored.receipt}
            self._print_json(name, result)
        else:
            self.out(f"{plain(name)} -> {plain(stored.key)}")

    def failed(self, name: str, problem: UploadProblem) -> None:
        """Print the problem."""
        if self._as_json:
            self._print_json(name, {"problem": {"code": problem.code, "detail": problem.detail}})
        else:
            self.err(f"uploadsvc: {plain(name)}: {plain(problem.detail)}")

    def err(self, line: str) -> None:
        """Print a line about the run."""
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def out(self, line: str) -> None:
        """Print a line of the result."""
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def _print_json(self, name: str, result: Mapping[str, Any]) -> None:
        # ASCII: a file's name may hold what is no Unicode.
        self.out(json.dumps({"file": name, **result}))


class _FileLines:
    def __init__(self, lines: Lines, name: str) -> None:
        self._lines = lines
        self._name = name

    def reset(self, done: int) -> None:
        pass

    def moved(self, count: int) -> None:
        pass

    def say(self, text: str) -> None:
        self._lines.err(f"uploadsvc: {plain(self._name)}: {plain(text)}")

    def end(self) -> None:
        pass


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


class _FileBar(_FileLines):
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


def plain(text: str) -> str:
    """Return text with what a terminal would obey, or cannot show, written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def display_for(*, as_json: bool, bars: bool | None) -> Display:
    """Choose what the user sees.

    Args:
        as_json: Whether results are JSON.
        bars: Whether there are bars; by default on a terminal.
    """
    console = Console(stderr=True, highlight=False)
    if bars if bars is not None else console.is_terminal:
        return Bars(console, as_json=as_json)
    return Lines(as_json=as_json)
