"""The findings, for people and for machines."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final, get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from uploadsvc.doctor.findings import Finding, Status

STATUSES: Final[tuple[Status, ...]] = get_args(Status)

# A symbol and a word, so that colour is never the only sign.
_SIGNS: Final[Mapping[Status, tuple[str, str]]] = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "failed": ("✗", "bold red"),
    "skipped": ("-", "dim"),
}


def healthy(findings: Sequence[Finding], *, strict: bool) -> bool:
    """Whether nothing failed; when strict, whether nothing is odd either."""
    bad: set[Status] = {"failed", "warning"} if strict else {"failed"}
    return not any(finding.status in bad for finding in findings)


def as_json(findings: Sequence[Finding], *, strict: bool) -> str:
    """Return all findings as one JSON document, ASCII alone."""
    document = {
        "healthy": healthy(findings, strict=strict),
        "summary": _counts(findings),
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(document, indent=2)


def show(findings: Sequence[Finding], console: Console) -> None:
    """Print a table and a line that sums it up."""
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
    return {status: counted[status] for status in STATUSES}
