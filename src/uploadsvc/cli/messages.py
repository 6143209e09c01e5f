"""Lines of the commands on standard error, each with the program's name."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator


def say(message: str) -> None:
    """Print a message."""
    for line in _lines(message):
        typer.echo(line, err=True)


def stop(message: str) -> SystemExit:
    """Return the exit, with status 1, that prints a message."""
    return SystemExit("\n".join(_lines(message)))


def _lines(message: str) -> "Iterator[str]":
    return (f"uploadsvc: {line}" for line in message.splitlines())
