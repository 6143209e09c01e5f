"""``uploadsvc doctor``: table, JSON, exit status."""

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final, get_args

import httpx
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from uploadsvc.bootstrap.doctor import doctor_target
from uploadsvc.cli.messages import say
from uploadsvc.doctor.findings import Finding, Status
from uploadsvc.doctor.runner import Runner, check_names
from uploadsvc.doctor.target import Target
from uploadsvc.server.logging import silence_logs
from uploadsvc.settings import SettingsError, load_settings

UNUSABLE: Final = 2
"""Exit status for invalid settings or options."""

_REQUEST_TIMEOUT: Final = 10.0
_WIDTH: Final = 160
"""Width of the output if it is not a terminal."""

_STATUSES: Final[tuple[Status, ...]] = get_args(Status)

# A symbol and a word, so that the meaning does not depend on colour.
_SIGNS: Final[Mapping[Status, tuple[str, str]]] = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "failed": ("✗", "bold red"),
    "skipped": ("-", "dim"),
}


def examine(
    *, as_json: bool, only: Sequence[str], skip: Sequence[str], strict: bool, store: bool, deliver: bool
) -> None:
    """Run the checks and print the findings.

    Args:
        as_json: Print one JSON document instead of a table.
        only: Checks or kinds of checks to show; empty for all.
        skip: Checks or kinds of checks to leave out.
        strict: Whether warnings count as failures.
        store: Whether to store canaries for a moment.
        deliver: Whether to send each receiver a sample event.

    Raises:
        Exit: Always, with the status.
    """
    silence_logs()
    try:
        target = doctor_target(load_settings(), deliver=deliver)
        chosen = _chosen_checks(target, only=only, skip=skip)
    except (SettingsError, _NoSuchCheckError) as error:
        say(str(error))
        raise typer.Exit(UNUSABLE) from None
    findings = asyncio.run(_run_checks(target, chosen, store=store))
    if as_json:
        _print_json(findings, strict=strict)
    else:
        _print_table(findings)
    raise typer.Exit(0 if _healthy(findings, strict=strict) else 1)


class _NoSuchCheckError(Exception):
    pass


def _chosen_checks(target: Target, *, only: Sequence[str], skip: Sequence[str]) -> list[str]:
    names = check_names(target)
    skipped = _matching("--skip", skip, names)
    wanted = _matching("--only", only, names) if only else names
    return [name for name in wanted if name not in skipped]


def _matching(option: str, wanted: Sequence[str], names: Sequence[str]) -> list[str]:
    found = []
    for check in wanted:
        matching = [name for name in names if name == check or name.startswith(f"{check}:")]
        if not matching:
            message = f"{option} {check}: there is no such check; there are {', '.join(names)}"
            raise _NoSuchCheckError(message)
        found += matching
    return found


async def _run_checks(target: Target, only: Sequence[str], *, store: bool) -> list[Finding]:
    """Run the checks. On SIGINT or SIGTERM, canaries are still deleted.

    Raises:
        SystemExit: A signal stopped the checks.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    stopped: list[int] = []

    def stop(number: int) -> None:
        stopped.append(number)
        # A second signal ends the process at once.
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
        for canary in left:
            say(f"left behind: {canary}")
        raise SystemExit(128 + stopped[0]) from None


def browser(target: Target) -> httpx.AsyncClient:
    """Return a client that sends requests like a browser, follows no redirects, and has a timeout."""
    return httpx.AsyncClient(
        verify=target.trust,
        timeout=_REQUEST_TIMEOUT,
        headers={"User-Agent": "uploadsvc-doctor"},
        follow_redirects=False,
    )


def _healthy(findings: Sequence[Finding], *, strict: bool) -> bool:
    bad: set[Status] = {"failed", "warning"} if strict else {"failed"}
    return not any(finding.status in bad for finding in findings)


def _print_json(findings: Sequence[Finding], *, strict: bool) -> None:
    document = {
        "healthy": _healthy(findings, strict=strict),
        "summary": _counts(findings),
        "findings": [asdict(finding) for finding in findings],
    }
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def _print_table(findings: Sequence[Finding]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold", ratio=1)
    for finding in findings:
        symbol, style = _SIGNS[finding.status]
        words = Text(finding.found)
        if finding.mend:
            words.append(f"\nFix: {finding.mend}", style="bold" if finding.status == "failed" else "")
        table.add_row(Text(f"{symbol} {finding.status}", style=style), Text(finding.check), words)
    console.print(table)
    counts = ", ".join(f"{count} {status}" for status, count in _counts(findings).items() if count)
    console.print(Text(f"\n{counts}"))


def _counts(findings: Sequence[Finding]) -> dict[Status, int]:
    counted = Counter(finding.status for finding in findings)
    return {status: counted[status] for status in _STATUSES}
