"""``uploadsvc upload``. The client is loaded when it runs."""
# ruff: noqa: PLC0415 - see above

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from uploadsvc.cli import connection as shared
from uploadsvc.cli.examples import examples

if TYPE_CHECKING:
    from uploadsvc.client.folders import Source


class Checksum(StrEnum):
    """Checksums that the client computes."""

    SHA256 = "sha256"
    CRC32 = "crc32"


_Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE", help="Files, folders and patterns; - for standard input.", show_default=False
    ),
]
_Include = Annotated[
    list[str] | None,
    typer.Option(help="Upload only files that match; repeatable.", metavar="PATTERN"),
]
_Exclude = Annotated[
    list[str] | None, typer.Option(help="Skip files that match; repeatable.", metavar="PATTERN")
]
_Name = Annotated[
    str | None, typer.Option(help="File name, for standard input or a single file.", metavar="NAME")
]
_Policy = Annotated[
    str | None, typer.Option(help="Policy; default: the service's default policy.", metavar="NAME")
]
_ContentType = Annotated[
    str | None, typer.Option(help="Content type; default: by file name.", metavar="TYPE")
]
_Metadata = Annotated[
    list[str] | None, typer.Option(help="Metadata that the policy allows; repeatable.", metavar="NAME=VALUE")
]
_RelativeKey = Annotated[
    str | None, typer.Option(help="Key below your prefix, for a single file or folder.", metavar="KEY")
]
_Overwrite = Annotated[
    bool | None,
    typer.Option(
        "--overwrite/--no-overwrite", help="Replace an existing object; default: set by the policy."
    ),
]
_Checksum = Annotated[Checksum | None, typer.Option(help="Checksum for S3 to compare.", show_default="none")]

EXAMPLES: Final = examples(
    "uploadsvc upload film.mp4 holidays/",
    "uploadsvc upload 'photos/**/*.jpg' --exclude 'draft-*'",
    "uploadsvc upload site/ --include '*.html' --include '*.css'",
    "pg_dump shop | uploadsvc upload - --name shop.sql",
    "uploadsvc upload --json *.csv | jq -r .key",
)


def upload(
    files: _Files,
    *,
    url: shared.Url,
    token_file: shared.TokenFile = None,
    token_command: shared.TokenCommand = None,
    on_behalf_of: shared.OnBehalfOf = None,
    include: _Include = None,
    exclude: _Exclude = None,
    name: _Name = None,
    policy: _Policy = None,
    content_type: _ContentType = None,
    metadata: _Metadata = None,
    relative_key: _RelativeKey = None,
    overwrite: _Overwrite = None,
    checksum: _Checksum = None,
    parallel: shared.Parallel = 4,
    retries: shared.MaxRetries = 10,
    as_json: shared.AsJson = False,
    progress: shared.Progress = None,
) -> None:
    """Upload files and folders. A stopped upload resumes when you run the same command again.

    The token comes from UPLOADSVC_TOKEN, a file or a command.

    Exit status: 0 all files stored, 1 some failed, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    from uploadsvc.client.api import UploadOptions
    from uploadsvc.client.display import display_for
    from uploadsvc.client.file import Algorithm
    from uploadsvc.client.folders import STANDARD_INPUT
    from uploadsvc.client.resume import ResumeStore, default_directory
    from uploadsvc.client.run import Run
    from uploadsvc.client.stopping import run_until_stopped

    shared.print_names()
    shared.check_unicode(name, policy, content_type, relative_key, *(metadata or ()))
    options = UploadOptions(
        policy=policy,
        content_type=content_type,
        metadata=dict(_pair(text) for text in metadata or ()),
        relative_key=relative_key,
        filename=name,
        overwrite=overwrite,
        checksum=None if checksum is None else Algorithm(checksum),
    )
    connection = shared.connect(
        url=url,
        token_file=token_file,
        token_command=token_command,
        on_behalf_of=on_behalf_of,
        parallel=parallel,
        retries=retries,
    )
    found = _found(files, include, exclude, name=name, relative_key=relative_key)
    run = Run(connection=connection, options=options, resume=ResumeStore(default_directory(os.environ)))
    display = display_for(as_json=as_json, bars=progress)
    piped = files == [STANDARD_INPUT]
    on_stop = "stopped; nothing is stored" if piped else "paused; run the same command to resume"
    raise shared.end(
        lambda: run_until_stopped(lambda: run.upload(files, found, display), display, on_stop=on_stop)
    )


def _found(
    files: Sequence[str],
    include: Sequence[str] | None,
    exclude: Sequence[str] | None,
    *,
    name: str | None,
    relative_key: str | None,
) -> "list[Source]":
    """Return the files to upload.

    Raises:
        BadParameter: Options are only for a single file.
    """
    from uploadsvc.client.folders import STANDARD_INPUT, sources
    from uploadsvc.client.patterns import Filter

    if STANDARD_INPUT in files:
        if len(files) > 1:
            _refuse("- (standard input) must be the only file")
        if name is None:
            _refuse("--name is needed with - (standard input)")
        if sys.stdin is None:
            _refuse("standard input is closed")
    if relative_key is not None and len(files) > 1:
        _refuse("--relative-key works with a single file or folder")
    found = sources(files, prefix=relative_key, chosen=Filter(include=include or (), exclude=exclude or ()))
    alone = len(found) == 1 and found[0].relative_key is None
    if name is not None and not alone:
        _refuse("--name works with standard input or a single file")
    if relative_key is not None and len(found) > 1 and any(one.relative_key is None for one in found):
        _refuse("--relative-key works with a single file or folder")
    return found


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        _refuse("write --metadata as NAME=VALUE")
    return name, value


def _refuse(message: str) -> NoReturn:
    raise typer.BadParameter(message)
