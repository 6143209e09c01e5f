"""``uploadsvc ls``, ``get`` and ``rm``. The client is loaded when they run."""
# ruff: noqa: PLC0415 - see above

import sys
from typing import Annotated, Final

import typer

from uploadsvc.cli import connection as shared
from uploadsvc.cli.examples import examples

_Prefix = Annotated[
    str,
    typer.Argument(
        metavar="PREFIX",
        help="Beginning of keys, in full or relative to your prefix.",
        show_default=False,
    ),
]
_Keys = Annotated[
    list[str],
    typer.Argument(metavar="KEY", help="Keys, in full or relative to your prefix.", show_default=False),
]
_Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="Include all objects whose keys begin with KEY.")
]
_Long = Annotated[bool, typer.Option("--long", "-l", help="Show sizes, times and the total.")]
_Bytes = Annotated[bool, typer.Option("--bytes", help="Show sizes in bytes; implies --long.")]
_Limit = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Maximum number of objects; default: all.", show_default=False),
]
_To = Annotated[
    str | None,
    typer.Option("--to", "-o", help="File or folder; - for standard output.", metavar="PATH"),
]
_Replace = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")]

LS_EXAMPLES: Final = examples(
    "uploadsvc ls",
    "uploadsvc ls -l 2026/",
    "uploadsvc ls --json | jq -r 'select(.size > 1e9) | .key'",
)
GET_EXAMPLES: Final = examples(
    "uploadsvc get uploads/alice/2026/film.mp4",
    "uploadsvc get 2026/film.mp4 --to movie.mp4",
    "uploadsvc get -r 2026/ --to backup/",
    "uploadsvc get 2026/shop.sql --to - | psql shop",
)
RM_EXAMPLES: Final = examples(
    "uploadsvc rm 2026/draft.txt 2026/old.txt",
    "uploadsvc rm -r 2026/drafts/",
    "uploadsvc ls 2025/ | tr '\\n' '\\0' | xargs -0 uploadsvc rm",
)


def ls(
    prefix: _Prefix = "",
    *,
    url: shared.Url,
    token_file: shared.TokenFile = None,
    token_command: shared.TokenCommand = None,
    on_behalf_of: shared.OnBehalfOf = None,
    details: _Long = False,
    exact: _Bytes = False,
    limit: _Limit = None,
    retries: shared.MaxRetries = 10,
    as_json: shared.AsJson = False,
) -> None:
    """List your objects, one key per line, sorted by key.

    Needs a token from your login, or an API key with --on-behalf-of; upload tokens do not work.

    Exit status: 0 listed, even if there are none; 1 failed; 2 wrong usage.
    """
    from uploadsvc.client.display import display_for
    from uploadsvc.client.listing import Listing
    from uploadsvc.client.stopping import run_until_stopped

    shared.print_names()
    shared.check_unicode(prefix)
    connection = shared.connect(
        url=url,
        token_file=token_file,
        token_command=token_command,
        on_behalf_of=on_behalf_of,
        parallel=1,
        retries=retries,
    )
    display = display_for(as_json=as_json, bars=False, subject="key")
    listing = Listing(prefix=prefix, limit=limit, details=details or exact, exact=exact, as_json=as_json)
    raise shared.end(
        lambda: run_until_stopped(lambda: listing.run(connection, display), display, on_stop="stopped")
    )


def get(
    keys: _Keys,
    *,
    url: shared.Url,
    token_file: shared.TokenFile = None,
    token_command: shared.TokenCommand = None,
    on_behalf_of: shared.OnBehalfOf = None,
    to: _To = None,
    recursive: _Recursive = False,
    overwrite: _Replace = False,
    parallel: shared.Parallel = 4,
    retries: shared.MaxRetries = 10,
    as_json: shared.AsJson = False,
    progress: shared.Progress = None,
) -> None:
    """Download objects. A stopped download resumes when you run the same command again.

    Files appear when they are complete, and only inside the target folder.

    Needs a token from your login, or an API key with --on-behalf-of; upload tokens do not work.

    Exit status: 0 all objects downloaded, 1 some failed, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    from uploadsvc.client.display import display_for
    from uploadsvc.client.getting import STANDARD_OUTPUT, Getting
    from uploadsvc.client.stopping import run_until_stopped

    shared.print_names()
    shared.check_unicode(*keys, to)
    printed = to == STANDARD_OUTPUT
    if printed and (recursive or len(keys) > 1):
        message = "--to - works with a single object"
        raise typer.BadParameter(message)
    if to == "":
        message = "--to must not be empty"
        raise typer.BadParameter(message)
    connection = shared.connect(
        url=url,
        token_file=token_file,
        token_command=token_command,
        on_behalf_of=on_behalf_of,
        parallel=parallel,
        retries=retries,
    )
    # Bars and the object would be written over each other.
    bars = False if printed and progress is None and sys.stdout.isatty() else progress
    display = display_for(as_json=as_json and not printed, bars=bars, subject="key")
    getting = Getting(keys=keys, recursive=recursive, to=to, overwrite=overwrite)
    on_stop = "stopped" if printed else "paused; run the same command to resume"
    raise shared.end(
        lambda: run_until_stopped(lambda: getting.run(connection, display), display, on_stop=on_stop)
    )


def rm(
    keys: _Keys,
    *,
    url: shared.Url,
    token_file: shared.TokenFile = None,
    token_command: shared.TokenCommand = None,
    on_behalf_of: shared.OnBehalfOf = None,
    recursive: _Recursive = False,
    yes: _Yes = False,
    parallel: shared.Parallel = 4,
    retries: shared.MaxRetries = 10,
    as_json: shared.AsJson = False,
) -> None:
    """Delete objects, if the service allows it. Asks first on a terminal.

    Needs a token from your login, or an API key with --on-behalf-of; upload tokens do not work.

    Exit status: 0 all deleted, 1 some failed, 2 wrong usage.
    """
    from uploadsvc.client.display import display_for
    from uploadsvc.client.removing import Removal
    from uploadsvc.client.stopping import run_until_stopped

    shared.print_names()
    shared.check_unicode(*keys)
    terminal = sys.stdin is not None and sys.stdin.isatty()
    if "" in keys:
        # Such as a variable that is not set.
        message = "a key is empty"
        raise typer.BadParameter(message)
    if recursive and not yes and not terminal:
        message = "--recursive without a terminal needs --yes"
        raise typer.BadParameter(message)
    connection = shared.connect(
        url=url,
        token_file=token_file,
        token_command=token_command,
        on_behalf_of=on_behalf_of,
        parallel=parallel,
        retries=retries,
    )
    display = display_for(as_json=as_json, bars=False, subject="key")
    removal = Removal(keys=keys, recursive=recursive, asks=terminal and not yes)
    raise shared.end(
        lambda: run_until_stopped(lambda: removal.run(connection, display), display, on_stop="stopped")
    )
