"""Get answers from a person, from options, or from lines on standard input."""

import getpass
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from uploadsvc.cli.messages import say

Check = Callable[[str], str | None]
"""Returns the problem with an answer, or ``None``."""

MAX_SECRET_BYTES: Final = 64 * 1024


class NoAnswerError(Exception):
    """An answer is missing or wrong, and nobody can be asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question.

    Attributes:
        option: Option that answers it too.
        text: The question.
        default: Answer if none is given; ``None`` if one is needed.
        hidden: Whether the answer is a secret, which is never shown.
        shown: What is shown in place of the default.
    """

    option: str
    text: str
    default: str | None = None
    hidden: bool = False
    shown: str | None = None

    @property
    def prompt(self) -> str:
        """The prompt."""
        default = self.shown or self.default
        return f"{self.text} [{default}]: " if default else f"{self.text}: "


class Questions:
    """Finds an answer for each question.

    Args:
        ask: Whether to ask for what no option answers; otherwise defaults are taken.
    """

    def __init__(self, *, ask: bool) -> None:
        self._ask = ask
        self._terminal = sys.stdin is not None and sys.stdin.isatty()

    @property
    def asks(self) -> bool:
        """Whether a person sees the questions."""
        return self._ask and self._terminal

    def answer(self, question: Question, given: str | None, check: Check) -> str:
        """Return a valid answer. On a terminal, the question is repeated until there is one.

        Args:
            question: The question.
            given: Value of the option, if it was given.
            check: Finds what is wrong with an answer.

        Raises:
            NoAnswerError: There is no such answer.
        """
        asks = self._ask and given is None
        while True:
            value = self._read(question) if asks else given
            value = question.default if value in {None, ""} and given is None else value
            problem = "missing; it has to be set" if value is None else check(value)
            if problem is None:
                assert value is not None  # noqa: S101 - None is a problem
                return value
            if not (asks and self._terminal):
                message = f"{question.option}: {problem}"
                raise NoAnswerError(message)
            say(f"{problem.rstrip('.')}. Try again.")

    def _read(self, question: Question) -> str:
        if question.hidden and self._terminal:
            return getpass.getpass(question.prompt, sys.stderr)
        sys.stderr.write(question.prompt if self._terminal else f"{question.prompt}\n")
        sys.stderr.flush()
        try:
            line = sys.stdin.readline() if sys.stdin is not None else ""
        except UnicodeDecodeError:
            message = f"{question.option}: the answer is not text in UTF-8"
            raise NoAnswerError(message) from None
        if not line:
            message = f"no answer for {question.text!r}; give {question.option}, or use --no-input"
            raise NoAnswerError(message)
        # A secret may begin or end with a space.
        return line.rstrip("\r\n") if question.hidden else line.strip()


def secret_in(path: Path | None, option: str) -> str | None:
    """Return the secret in a file, without trailing line ends; ``None`` if no file is given.

    Raises:
        NoAnswerError: The file cannot be read.
    """
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
        text = content.decode().rstrip("\r\n")
    except OSError as error:
        message = f"{option}: cannot read {str(path)!r}: {error.strerror}"
        raise NoAnswerError(message) from None
    except UnicodeDecodeError:
        message = f"{option}: {str(path)!r} is not text in UTF-8"
        raise NoAnswerError(message) from None
    if not text or len(content) > MAX_SECRET_BYTES:
        message = f"{option}: {str(path)!r} is empty or has more than {MAX_SECRET_BYTES} bytes"
        raise NoAnswerError(message)
    return text
