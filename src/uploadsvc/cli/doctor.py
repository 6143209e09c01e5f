"""The command ``uploadsvc doctor``."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import httpx
import typer
from rich.console import Console

from uploadsvc.bootstrap.doctor import doctor_target
from uploadsvc.cli.doctor_report import as_json, healthy, show
from uploadsvc.doctor.findings import Finding
from uploadsvc.doctor.runner import Runner, check_names
from uploadsvc.doctor.target import Target
from uploadsvc.server.logging import silence_logs
from uploadsvc.settings import SettingsError, load_settings

UNUSABLE: Final = 2
"""The exit status for settings or options that nothing can be examined by."""

_REQUEST_PATIENCE: Final = 10.0
_WIDTH: Final = 160
"""Columns where nobody's terminal says how many there are."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Only = Annotated[
    list[str] | None,
    typer.Option(metavar="CHECK", help="Show this check alone, or all of a kind (cors); may be repeated."),
]
Skip = Annotated[
    list[str] | None,
    typer.Option(metavar="CHECK", help="Leave this check out, or all of a kind; may be repeated."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Let warnings count as failures.")]
Store = Annotated[
    bool, typer.Option("--store/--no-store", help="Store canaries for a moment, where they can be deleted.")
]


def doctor(
    *,
    as_json: AsJson = False,
    only: Only = None,
    skip: Skip = None,
    strict: Strict = False,
    store: Store = True,
) -> None:
    """Examine bucket, endpoints, CORS and policies by the UPLOADSVC_... settings; nothing is left behind.

    Exit status: 0 nothing failed, 1 something did, 2 settings or options that do not fit.
    """
    silence_logs()
    try:
        target = doctor_target(load_settings())
        chosen = _chosen(target, only=only or (), skip=skip or ())
    except (SettingsError, _NoSuchCheckError) as error:
        typer.echo(f"uploadsvc: {error}", err=True)
        raise typer.Exit(UNUSABLE) from None
    findings = asyncio.run(_examined(target, chosen, store=store))
    _print(findings, machine=as_json, strict=strict)
    raise typer.Exit(0 if healthy(findings, strict=strict) else 1)


class _NoSuchCheckError(Exception):
    pass


def _chosen(target: Target, *, only: Sequence[str], skip: Sequence[str]) -> list[str]:
    names = check_names(target)
    left_out = _matching("--skip", skip, names)
    wanted = _matching("--only", only, names) if only else names
    return [name for name in wanted if name not in left_out]


def _matching(option: str, wanted: Sequence[str], names: Sequence[str]) -> list[str]:
    found = []
    for one in wanted:
        matching = [name for name in names if name == one or name.startswith(f"{one}:")]
        if not matching:
            message = f"{option} {one}: there is no such check; there are {', '.join(names)}"
            raise _NoSuchCheckError(message)
        found += matching
    return found


async def _examined(target: Target, only: Sequence[str], *, store: bool) -> list[Finding]:
    """Examine, until SIGINT or SIGTERM: what was sent is taken away all the same.

    Raises:
        SystemExit: It was stopped.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    stopped: list[int] = []

    def stop(number: int) -> None:
        stopped.append(number)
        # A second one ends it at once.
        loop.remove_signal_handler(number)
        if task is not None:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    left: list[str] = []
    try:
        async with target.storage, browser(target) as http:
            runner = Runner(target, http, only=only, store=store)
            try:
                return await runner.findings()
            finally:
                left = runner.left
    except asyncio.CancelledError:
        for one in left:
            typer.echo(f"uploadsvc: left behind: {one}", err=True)
        raise SystemExit(128 + stopped[0]) from None


def browser(target: Target) -> httpx.AsyncClient:
    """Return what sends as a browser does: it follows no redirect, and does not wait for ever."""
    return httpx.AsyncClient(
        verify=target.trust,
        timeout=_REQUEST_PATIENCE,
        headers={"User-Agent": "uploadsvc-doctor"},
        follow_redirects=False,
    )


def _print(findings: Sequence[Finding], *, machine: bool, strict: bool) -> None:
    if machine:
        sys.stdout.write(as_json(findings, strict=strict) + "\n")
    else:
        console = Console(highlight=False)
        show(findings, console if console.is_terminal else Console(highlight=False, width=_WIDTH))
