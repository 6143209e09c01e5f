"""Messages of the commands on standard error, prefixed with the program's name."""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def say(message: str) -> None:
    """Print a message."""
    for line in _lines(message):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def stop(message: str) -> SystemExit:
    """Return the `SystemExit` that prints a message and has status 1."""
    return SystemExit("\n".join(_lines(message)))


def cannot_write(error: OSError) -> str:
    """Return the message about unwritable output, and discard what is left of it."""
    # Python would try again at its end, and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return f"cannot write the output: {error.strerror}"


def _lines(message: str) -> "Iterator[str]":
    return (f"uploadsvc: {line}" for line in message.splitlines())
