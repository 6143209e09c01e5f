"""Terminal output: results on standard output, everything else on standard error."""

import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from uploadsvc.client.errors import UploadsvcError
from uploadsvc.client.models import Stored

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, TaskID


class FileDisplay(Protocol):
    """Progress of one file."""

    def reset(self, done: int) -> None:
        """Start over from ``done`` bytes."""

    def advance(self, count: int) -> None:
        """Count ``count`` more bytes as sent; a negative count takes some back."""

    def say(self, text: str) -> None:
        """Print one line about the file."""

    def end(self) -> None:
        """Remove the file from the display."""


class Display(AbstractContextManager["Display"], Protocol):
    """Progress and results of a run."""

    def expect(self, sizes: Iterable[int]) -> None:
        """Announce the sizes of all files, in bytes."""

    def file(self, name: str, size: int) -> FileDisplay:
        """Start showing a file of ``size`` bytes."""

    def tell(self, text: str) -> None:
        """Print one line about the whole run."""

    def stored(self, name: str, stored: Stored) -> None:
        """Report a stored file."""

    def failed(self, name: str, problem: UploadsvcError) -> None:
        """Report a failed file."""


class Lines(Display):
    """Plain lines: one per result and one per event.

    Args:
        as_json: Print results and problems as JSON objects.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def expect(self, sizes: Iterable[int]) -> None:
        """Ignore the sizes; there is no total."""

    def file(self, name: str, size: int) -> FileDisplay:  # noqa: ARG002 - bars need it
        """Print events of a file, without progress."""
        return FileLines(self, name)

    def tell(self, text: str) -> None:
        """Print a line to standard error."""
        self.err(f"uploadsvc: {plain(text)}")

    def stored(self, name: str, stored: Stored) -> None:
        """Print a result."""
        if self._as_json:
            result = {"key": stored.key, "size": stored.size, "etag": stored.etag, "receipt": stored.receipt}
            self._print_json(name, result)
        else:
            self.out(f"{plain(name)} -> {plain(stored.key)}")

    def failed(self, name: str, problem: UploadsvcError) -> None:
        """Print a problem."""
        if self._as_json:
            self._print_json(name, {"problem": {"code": problem.code, "detail": problem.detail}})
        else:
            self.err(f"uploadsvc: {plain(name)}: {plain(problem.detail)}")

    def err(self, line: str) -> None:
        """Print a line to standard error."""
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def out(self, line: str) -> None:
        """Print a line to standard output."""
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def _print_json(self, name: str, result: Mapping[str, Any]) -> None:
        # ASCII, since a file name may not be valid Unicode.
        self.out(json.dumps({"file": name, **result}))


class FileLines:
    """Events of one file, without progress.

    Args:
        lines: Where events are printed.
        name: Name of the file.
    """

    def __init__(self, lines: Lines, name: str) -> None:
        self._lines = lines
        self._name = name

    def reset(self, done: int) -> None:
        """Do nothing; there is no progress."""

    def advance(self, count: int) -> None:
        """Do nothing; there is no progress."""

    def say(self, text: str) -> None:
        """Print a line that starts with the file's name."""
        self._lines.err(f"uploadsvc: {plain(self._name)}: {plain(text)}")

    def end(self) -> None:
        """Do nothing; there is no progress."""


class Bars(Lines):
    """Progress bars with rate and time left: one per file and, for several files, one for all.

    Args:
        console: Console on standard error.
        as_json: Print results and problems as JSON objects.
    """

    def __init__(self, console: "Console", *, as_json: bool) -> None:
        super().__init__(as_json=as_json)
        from rich import progress  # noqa: PLC0415 - scripts start without Rich

        self._console = console
        self._progress = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.DownloadColumn(binary_units=True),
            _speed_column(),
            progress.TimeRemainingColumn(),
            console=console,
            transient=True,
            # Results go to standard output unchanged, because it may be a pipe.
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
        """Add a bar for the total of several files."""
        known = list(sizes)
        if len(known) > 1:
            self._all = self._progress.add_task("all files", total=sum(known))

    def file(self, name: str, size: int) -> FileDisplay:
        """Add a bar for a file."""
        task = self._progress.add_task(plain(name), total=size)
        return _FileBar(self, name, self._progress, task, self._all)

    def err(self, line: str) -> None:
        """Print a line above the bars."""
        self._console.print(line, markup=False, emoji=False, soft_wrap=True)

    def out(self, line: str) -> None:
        """Print a result: on a terminal above the bars, otherwise to standard output."""
        if sys.stdout.isatty():
            self.err(line)
        else:
            super().out(line)


def _speed_column() -> "ProgressColumn":
    """Return a column with the rate in binary units, like the sizes; Rich's own is decimal."""
    from rich import filesize, progress, text  # noqa: PLC0415 - scripts start without Rich

    class Speed(progress.ProgressColumn):
        def render(self, task: progress.Task) -> text.Text:
            speed = task.finished_speed or task.speed
            if speed is None:
                return text.Text("")
            units = ["B", "KiB", "MiB", "GiB"]
            unit, suffix = filesize.pick_unit_and_suffix(int(speed), units, 1024)
            return text.Text(f"{speed / unit:,.1f} {suffix}/s")

    return Speed()


class _FileBar(FileLines):
    def __init__(
        self, bars: Bars, name: str, progress: "Progress", task: "TaskID", whole: "TaskID | None"
    ) -> None:
        super().__init__(bars, name)
        self._progress = progress
        self._task = task
        self._whole = whole
        self._done = 0

    def reset(self, done: int) -> None:
        # Bytes of an earlier run must not count towards the rate.
        self._progress.reset(self._task, completed=done)
        if self._whole is not None:
            self._progress.update(self._whole, advance=done - self._done)
        self._done = done

    def advance(self, count: int) -> None:
        self._done += count
        for task in (self._task, self._whole):
            if task is not None:
                self._progress.update(task, advance=count)

    def end(self) -> None:
        self._progress.remove_task(self._task)


def plain(text: str) -> str:
    """Escape unprintable characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def display_for(*, as_json: bool, bars: bool | None) -> Display:
    """Return the display for this terminal.

    Args:
        as_json: Print results as JSON.
        bars: Show progress bars; by default only on a terminal.
    """
    if not (sys.stderr.isatty() if bars is None else bars):
        return Lines(as_json=as_json)
    from rich.console import Console  # noqa: PLC0415 - scripts start without Rich

    return Bars(Console(stderr=True, highlight=False), as_json=as_json)
