"""The command ``uploadsvc upload``. It does not import the service."""

import io
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from uploadsvc.client.api import UploadOptions
from uploadsvc.client.auth import caller_from
from uploadsvc.client.display import display_for
from uploadsvc.client.errors import Retries, UsageProblem
from uploadsvc.client.file import Algorithm
from uploadsvc.client.resume import ResumeStore, default_directory
from uploadsvc.client.run import Run
from uploadsvc.client.run import run as run_all
from uploadsvc.client.session import service_url

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE", help="Files and folders to upload.", show_default=False)
]
Url = Annotated[
    str, typer.Option(help="URL of the service.", envvar="UPLOADSVC_URL", show_default=False, metavar="URL")
]
TokenFile = Annotated[Path | None, typer.Option(help="File that holds the token; default: UPLOADSVC_TOKEN.")]
TokenCommand = Annotated[
    str | None, typer.Option(help="Command that prints a token; run again when the token has expired.")
]
OnBehalfOf = Annotated[
    str | None,
    typer.Option(help="User to upload for, with UPLOADSVC_API_KEY.", metavar="USER"),
]
Policy = Annotated[
    str | None, typer.Option(help="Policy; default: the service's default policy.", metavar="NAME")
]
ContentType = Annotated[str | None, typer.Option(help="Content type; default: by file name.", metavar="TYPE")]
Metadata = Annotated[
    list[str] | None, typer.Option(help="Metadata that the policy allows; repeatable.", metavar="NAME=VALUE")
]
RelativeKey = Annotated[
    str | None, typer.Option(help="Key below your prefix, for a single file or folder.", metavar="KEY")
]
Overwrite = Annotated[
    bool | None,
    typer.Option(
        "--overwrite/--no-overwrite", help="Replace an existing object; default: as the policy says."
    ),
]
Checksum = Annotated[Algorithm | None, typer.Option(help="Checksum for S3 to compare.", show_default="none")]
Parallel = Annotated[int, typer.Option(min=1, max=64, help="Concurrent files or parts.")]
MaxRetries = Annotated[int, typer.Option("--retries", min=0, max=1000, help="Retries of each request.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per file.")]
Progress = Annotated[
    bool | None, typer.Option("--progress/--no-progress", help="Show progress bars; default: on a terminal.")
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
    retries: MaxRetries = 10,
    as_json: AsJson = False,
    progress: Progress = None,
) -> None:
    """Upload files and folders. A stopped upload resumes when you run the same command again.

    The token comes from UPLOADSVC_TOKEN, a file or a command.

    Exit status: 0 all files stored, 1 some failed, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Print any file name, whatever the encoding of the terminal.
            stream.reconfigure(errors="backslashreplace")
    try:
        for text in (policy, content_type, relative_key, on_behalf_of, *(metadata or ())):
            if text is not None and _is_broken(text):
                _refuse("an option is not valid Unicode")
        if relative_key is not None and len(files) > 1:
            _refuse("--relative-key works with a single file or folder")
        options = UploadOptions(
            policy=policy,
            content_type=content_type,
            metadata=dict(_pair(text) for text in metadata or ()),
            relative_key=relative_key,
            overwrite=overwrite,
            checksum=checksum,
        )
        caller = caller_from(
            os.environ, token_file=token_file, token_command=token_command, on_behalf_of=on_behalf_of
        )
        command = Run(
            url=_checked(url),
            caller=caller,
            on_behalf_of=on_behalf_of,
            options=options,
            parallel=parallel,
            retries=Retries(limit=retries),
            resume=ResumeStore(default_directory(os.environ)),
        )
    except UsageProblem as problem:
        raise typer.BadParameter(str(problem)) from None
    raise typer.Exit(run_all(command, files, display_for(as_json=as_json, bars=progress)))


def run(arguments: list[str]) -> None:
    """Run the command.

    Args:
        arguments: Arguments after ``uploadsvc upload``.

    Raises:
        SystemExit: Always, with the exit status.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(upload)
    app(arguments, prog_name="uploadsvc upload")


def _is_broken(text: str) -> bool:
    # Python decodes undecodable bytes to lone surrogates.
    return any("\ud800" <= character <= "\udfff" for character in text)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        _refuse("write --metadata as NAME=VALUE")
    return name, value


def _checked(url: str) -> str:
    try:
        return service_url(url)
    except ValueError as error:
        raise UsageProblem(str(error)) from None


def _refuse(message: str) -> NoReturn:
    raise UsageProblem(message)
