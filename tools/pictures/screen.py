"""A terminal screen: the output of programs as coloured lines."""

import re
from typing import Final

from rich.text import Text

_TOKENS: Final = re.compile(
    r"\x1b\[(?P<arguments>[0-9;?]*)(?P<command>[A-Za-z])|(?P<rest>\x1b(?:\[[0-9;?]*)?$)|(?P<plain>[\s\S])"
)
"""``rest`` is the start of an incomplete sequence."""


class Screen:
    """Understands what Rich's progress bars send: text, colours, line ends, moves up, erased lines.

    Args:
        height: Number of visible lines; earlier ones have scrolled away.
    """

    def __init__(self, height: int) -> None:
        self._height = height
        self._lines: list[list[str]] = [[]]
        self._row = 0
        self._column = 0
        self._style = ""
        self._rest = ""

    def write(self, text: str) -> None:
        """Add the output of a program.

        Raises:
            ValueError: It contains an unknown control sequence.
        """
        text, self._rest = self._rest + text, ""
        for token in _TOKENS.finditer(text):
            plain, command = token["plain"], token["command"]
            if plain is not None:
                self._character(plain)
            elif token["rest"]:
                self._rest = token[0]
            elif command == "m":
                self._style = "" if token["arguments"] in {"", "0"} else self._style + token[0]
            elif command == "A":
                self._row = max(0, self._row - int(token["arguments"] or 1))
            elif command == "K":
                erased = token["arguments"] == "2"
                self._lines[self._row] = [] if erased else self._lines[self._row][: self._column]
            elif command not in {"h", "l"}:  # the cursor is hidden, or shown
                message = f"unknown control sequence {token[0]!r}"
                raise ValueError(message)

    def _character(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._row, self._column = self._row + 1, 0
            if self._row == len(self._lines):
                self._lines.append([])
        elif character.isprintable():
            line = self._lines[self._row]
            line.extend(" " * (self._column - len(line)))
            cell = f"{self._style}{character}\x1b[0m" if self._style else character
            line[self._column : self._column + 1] = [cell]
            self._column += 1

    def shown(self) -> Text:
        """Return the last lines."""
        lines = ["".join(line) for line in self._lines[-self._height :]]
        return Text.from_ansi("\n".join(lines + [""] * (self._height - len(lines))))
