"""The command ``uploadsvc upload``, by itself: it starts without loading the service."""

import io
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import httpx
import typer

from uploadsvc.client.auth import caller_of
from uploadsvc.client.display import display_for
from uploadsvc.client.errors import UsageProblem
from uploadsvc.client.file import Algorithm
from uploadsvc.client.request import Wish
from uploadsvc.client.resume import States, default_directory
from uploadsvc.client.retries import Retries
from uploadsvc.client.run import Run
from uploadsvc.client.run import run as run_all

Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="The files.", show_default=False)]
Url = Annotated[
    str, typer.Option(help="Where the service is.", envvar="UPLOADSVC_URL", show_default=False, metavar="URL")
]
TokenFile = Annotated[Path | None, typer.Option(help="Holds the token; by default UPLOADSVC_TOKEN does.")]
TokenCommand = Annotated[
    str | None, typer.Option(help="Prints a token; run again when the service no longer takes it.")
]
OnBehalfOf = Annotated[
    str | None,
    typer.Option(help="The user, where you are a service: with UPLOADSVC_API_KEY.", metavar="USER"),
]
Policy = Annotated[str | None, typer.Option(help="By default the service's default.", metavar="NAME")]
ContentType = Annotated[str | None, typer.Option(help="By default by the file's name.", metavar="TYPE")]
Metadata = Annotated[
    list[str] | None, typer.Option(help="As the policy allows it; may be repeated.", metavar="NAME=VALUE")
]
RelativeKey = Annotated[str | None, typer.Option(help="The key below yours, of one file.", metavar="KEY")]
Overwrite = Annotated[
    bool | None, typer.Option("--overwrite/--no-overwrite", help="Replace an object; by default by policy.")
]
Checksum = Annotated[Algorithm | None, typer.Option(help="Have S3 compare it.", show_default="none")]
Parallel = Annotated[int, typer.Option(min=1, max=64, help="Parts, or files, under way at once.")]
MostRetries = Annotated[
    int, typer.Option("--retries", min=0, max=1000, help="How often a request is retried.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per file and line.")]
Progress = Annotated[
    bool | None, typer.Option("--progress/--no-progress", help="Show bars; by default on a terminal.")
]


def upload(
    files: Files,
    *,
    url: Url,
    token_file: TokenFile = None,
    token_command: TokenCommand = None,
    on_behalf_of: OnBehalfOf = None,
    policy: Policy = None,
    content_type: ContentType = None,
    metadata: Metadata = None,
    relative_key: RelativeKey = None,
    overwrite: Overwrite = None,
    checksum: Checksum = None,
    parallel: Parallel = 4,
    retries: MostRetries = 10,
    as_json: AsJson = False,
    progress: Progress = None,
) -> None:
    """Upload files to an uploadsvc; stopped, the same command goes on.

    The token comes from UPLOADSVC_TOKEN, a file or a command.

    Exit status: 0 all files are stored, 1 some are not, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal of another encoding still is told of every file.
            stream.reconfigure(errors="backslashreplace")
    try:
        for text in (policy, content_type, relative_key, on_behalf_of, *(metadata or ())):
            if text is not None and _is_broken(text):
                _refuse("an option holds what is no Unicode")
        if relative_key is not None and len(files) > 1:
            _refuse("--relative-key is the key of one file")
        wish = Wish(
            policy=policy,
            content_type=content_type,
            metadata=dict(_pair(text) for text in metadata or ()),
            relative_key=relative_key,
            overwrite=overwrite,
            checksum=checksum,
        )
        caller = caller_of(
            os.environ, token_file=token_file, token_command=token_command, on_behalf_of=on_behalf_of
        )
        what = Run(
            url=_checked(url),
            caller=caller,
            on_behalf_of=on_behalf_of,
            wish=wish,
            parallel=parallel,
            retries=Retries(most=retries),
            states=States(default_directory(os.environ)),
        )
    except UsageProblem as problem:
        raise typer.BadParameter(str(problem)) from None
    raise typer.Exit(run_all(what, files, display_for(as_json=as_json, bars=progress)))


def run(arguments: list[str]) -> None:
    """Run the command.

    Args:
        arguments: What follows ``uploadsvc upload``.

    Raises:
        SystemExit: With the command's status.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(upload)
    app(arguments, prog_name="uploadsvc upload")


def _is_broken(text: str) -> bool:
    # What the system's encoding could not read stands as a lone surrogate.
    return any("\ud800" <= character <= "\udfff" for character in text)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        _refuse("--metadata is NAME=VALUE")
    return name, value


def _checked(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.query or parsed.fragment:
        _refuse("the URL of the service is like https://uploads.example.com")
    if parsed.userinfo:
        # It would be sent in place of the token, and be kept in the state.
        _refuse("the URL of the service holds no user and password")
    return str(parsed).rstrip("/")


def _refuse(message: str) -> NoReturn:
    raise UsageProblem(message)
