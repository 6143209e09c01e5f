"""What the user sees: lines, of which the results go to standard output, and all else to standard error."""

import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol

from uploadsvc.client.api import Stored
from uploadsvc.client.errors import UploadProblem


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
        return FileLines(self, name)

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


class FileLines:
    """What is said of one file, and no progress.

    Args:
        lines: Prints it.
        name: The file's.
    """

    def __init__(self, lines: Lines, name: str) -> None:
        self._lines = lines
        self._name = name

    def reset(self, done: int) -> None:
        """Show nothing."""

    def moved(self, count: int) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Print it with the file's name."""
        self._lines.err(f"uploadsvc: {plain(self._name)}: {plain(text)}")

    def end(self) -> None:
        """Show nothing."""


def plain(text: str) -> str:
    """Return text with what a terminal would obey, or cannot show, written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def display_for(*, as_json: bool, bars: bool | None) -> Display:
    """Choose what the user sees.

    Args:
        as_json: Whether results are JSON.
        bars: Whether there are bars; by default on a terminal.
    """
    if not (sys.stderr.isatty() if bars is None else bars):
        return Lines(as_json=as_json)
    from uploadsvc.client.bars import Bars, standard_error  # noqa: PLC0415 - scripts do without Rich

    return Bars(standard_error(), as_json=as_json)
