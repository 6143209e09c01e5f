"""Options and code shared by the commands that call a service.

Nothing here loads the client before a command runs.
"""
# ruff: noqa: PLC0415 - see above

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from uploadsvc.cli.messages import cannot_write, say

if TYPE_CHECKING:
    from uploadsvc.client.connection import Connection

_PANEL: Final = "The service"

Url = Annotated[
    str,
    typer.Option(
        help="URL of the service.",
        envvar="UPLOADSVC_URL",
        show_default=False,
        metavar="URL",
        rich_help_panel=_PANEL,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        help="File with the token; default: UPLOADSVC_TOKEN.", metavar="FILE", rich_help_panel=_PANEL
    ),
]
TokenCommand = Annotated[
    str | None,
    typer.Option(
        help="Command that prints a token; run again if the token is rejected.",
        metavar="COMMAND",
        rich_help_panel=_PANEL,
    ),
]
OnBehalfOf = Annotated[
    str | None,
    typer.Option(help="User to act for, with UPLOADSVC_API_KEY.", metavar="USER", rich_help_panel=_PANEL),
]
MaxRetries = Annotated[
    int,
    typer.Option(
        "--retries",
        min=0,
        max=1000,
        metavar="N",
        help="Retries of each request.",
        rich_help_panel=_PANEL,
    ),
]
Parallel = Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Number of concurrent transfers.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
Progress = Annotated[
    bool | None, typer.Option("--progress/--no-progress", help="Show progress bars; default: on a terminal.")
]

BROKEN_PIPE: Final = 141
"""Exit status if the reader closes the output, as in shells: 128 plus SIGPIPE."""


def connect(
    *,
    url: str,
    token_file: Path | None,
    token_command: str | None,
    on_behalf_of: str | None,
    parallel: int,
    retries: int,
) -> "Connection":
    """Return the service from options and environment.

    Raises:
        BadParameter: There is none, or no credential or more than one.
    """
    from uploadsvc.client.connection import connection
    from uploadsvc.client.errors import UsageProblem

    try:
        return connection(
            os.environ,
            url=url,
            token_file=token_file,
            token_command=token_command,
            on_behalf_of=on_behalf_of,
            parallel=parallel,
            retries=retries,
        )
    except UsageProblem as problem:
        raise typer.BadParameter(str(problem)) from None


def print_names() -> None:
    """Make file names printable on terminals of any encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def check_unicode(*texts: str | None) -> None:
    """Check arguments.

    Raises:
        BadParameter: One was not valid Unicode.
    """
    from uploadsvc.client.connection import is_broken

    if any(text is not None and is_broken(text) for text in texts):
        message = "an option is not valid Unicode"
        raise typer.BadParameter(message)


def end(work: Callable[[], int]) -> typer.Exit:
    """Run a command and return the exit with its status. Report unwritable output in one line.

    Raises:
        BadParameter: The environment is unusable.
    """
    from uploadsvc.client.errors import UsageProblem

    try:
        return typer.Exit(work())
    except UsageProblem as problem:
        raise typer.BadParameter(str(problem)) from None
    except BrokenPipeError:
        return typer.Exit(BROKEN_PIPE)
    except OSError as error:
        if error.filename is not None:
            raise
        say(cannot_write(error))
        return typer.Exit(1)
