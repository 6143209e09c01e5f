"""Terminal output: results on standard output, everything else on standard error."""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, Self

from uploadsvc.client.errors import UploadsvcError
from uploadsvc.client.models import Stored

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, TaskID


Subject = Literal["file", "key"]

SMALL: Final = 1024**2
"""Size in bytes below which a file among several has no bar of its own: it would only flash."""

_HARMFUL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_SHOWN: Final = 28
"""Characters of a name beside its bar."""


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

    def result(self, line: str, document: Mapping[str, Any]) -> None:
        """Report a result: a line for people, which may hold any characters, and a JSON object."""

    def failed(self, name: str, problem: UploadsvcError) -> None:
        """Report a failed file or object."""


class Lines(Display):
    """Plain lines: one per result and one per event.

    Args:
        as_json: Print results and problems as JSON objects.
        subject: Name in JSON of what a problem is about.
    """

    def __init__(self, *, as_json: bool, subject: Subject = "file") -> None:
        self._as_json = as_json
        self._subject = subject

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
        document = {"key": stored.key, "size": stored.size, "etag": stored.etag, "receipt": stored.receipt}
        self.result(f"{name} -> {stored.key}", {"file": name, **document})

    def result(self, line: str, document: Mapping[str, Any]) -> None:
        """Print a result."""
        # JSON in ASCII, since a file name may not be valid Unicode.
        self.out(json.dumps(document) if self._as_json else plain(line))

    def failed(self, name: str, problem: UploadsvcError) -> None:
        """Print a problem."""
        if self._as_json:
            self.out(
                json.dumps({self._subject: name, "problem": {"code": problem.code, "detail": problem.detail}})
            )
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

    def __init__(self, console: "Console", *, as_json: bool, subject: Subject = "file") -> None:
        super().__init__(as_json=as_json, subject=subject)
        from rich import progress  # noqa: PLC0415 - scripts start without Rich
        from rich.table import Column  # noqa: PLC0415 - as above

        self._console = console
        self._progress = progress.Progress(
            progress.TextColumn(
                "{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")
            ),
            # What is beside it takes up to 68 columns.
            progress.BarColumn(bar_width=max(8, min(40, console.width - 68))),
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
        self._count = self._done = self._failed = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        if self._all is not None:
            failed = f", {self._failed} failed" if self._failed else ""
            self.tell(f"{self._done} of {self._count} done{failed}")

    def expect(self, sizes: Iterable[int]) -> None:
        """Add a bar for the total of several files."""
        known = list(sizes)
        if len(known) > 1:
            self._count = len(known)
            self._all = self._progress.add_task(self._title, total=sum(known))

    def file(self, name: str, size: int) -> FileDisplay:
        """Add a bar for a file, unless it is a small one among several."""
        task = None
        if self._all is None or size >= SMALL:
            shown = plain(name)
            shown = shown if len(shown) <= _SHOWN else f"…{shown[1 - _SHOWN :]}"
            task = self._progress.add_task(shown, total=size)
        return _FileBar(self, name, self._progress, task, self._all)

    def result(self, line: str, document: Mapping[str, Any]) -> None:
        """Print a result, and count it."""
        self._done += 1
        self._show_count()
        super().result(line, document)

    def failed(self, name: str, problem: UploadsvcError) -> None:
        """Print a problem, and count it."""
        self._failed += 1
        self._show_count()
        super().failed(name, problem)

    @property
    def _title(self) -> str:
        return f"all files {self._done + self._failed}/{self._count}"

    def _show_count(self) -> None:
        if self._all is not None:
            self._progress.update(self._all, description=self._title)

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
        self, bars: Bars, name: str, progress: "Progress", task: "TaskID | None", whole: "TaskID | None"
    ) -> None:
        super().__init__(bars, name)
        self._progress = progress
        self._task = task
        self._whole = whole
        self._done = 0

    def reset(self, done: int) -> None:
        # Bytes sent earlier must not count towards the rate.
        if self._task is not None:
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
        if self._task is not None:
            self._progress.remove_task(self._task)


def plain(text: str) -> str:
    """Escape controls, ends of lines, what reorders text, and surrogates; keys keep all else."""
    return _HARMFUL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def display_for(*, as_json: bool, bars: bool | None, subject: Subject = "file") -> Display:
    """Return the display for this terminal.

    Args:
        as_json: Print results as JSON.
        bars: Show progress bars; by default only on a terminal.
        subject: Name in JSON of what a problem is about.
    """
    if not (sys.stderr.isatty() if bars is None else bars):
        return Lines(as_json=as_json, subject=subject)
    from rich.console import Console  # noqa: PLC0415 - scripts start without Rich

    return Bars(Console(stderr=True, highlight=False), as_json=as_json, subject=subject)
