"""Write the README's figures from the results: ``python -m tools.readme_figures README.md``."""

import re
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "benchmarks" / "RESULTS.md"
ROWS: Final = {
    "uploadsvc, PUT": "uploadsvc, a PUT",
    "uploadsvc, POST form": "uploadsvc, a form",
    "Better Upload, PUT": "Better Upload, a PUT",
    "Uppy Companion, POST form": "Uppy's Companion, a form",
    "FastAPI alone, same body and answer": "FastAPI alone, without signing",
}
"""Rows of the results, and their names in the README."""

_REGION: Final = re.compile(r"(<!-- figures:[^\n]*-->\n).*?(<!-- end of figures -->)", re.DOTALL)


def figures(results: str) -> str:
    """Return the README's table.

    Raises:
        ValueError: The results lack a row, or a fact about the run.
    """
    lines = ["| endpoint, one process | uploads signed per second | median latency |", "|---|---:|---:|"]
    for name, shown in ROWS.items():
        cells = _found(rf"^\| {re.escape(name)} \|(.*)\|$", results).split("|")
        lines.append(f"| {shown} | {cells[0].strip()} | {cells[5].strip()} ms |")
    machine = f"{_found(r'^- cores: (.*)$', results)} cores of an {_found(r'^- CPU: (.*)$', results)}"
    words = (
        f"Measured on {_found(r'^- measured: (.*)$', results)}, on {machine}, over 16 busy connections. "
        "uploadsvc checks a token and\nlogs each request; the others do neither. "
        "[All results](benchmarks/RESULTS.md) cover latency, parts and the terminal client too."
    )
    return "\n".join(["", *lines, "", words, "", ""])


def rewritten(readme: str, results: str) -> str:
    """Return the README with the figures of the results."""
    made, count = _REGION.subn(lambda found: f"{found[1]}{figures(results)}{found[2]}", readme)
    if count != 1:
        message = "README.md has no place for the figures"
        raise ValueError(message)
    return made


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        message = f"the results have no {pattern}"
        raise ValueError(message)
    return match[1]


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(rewritten(page.read_text("utf-8"), RESULTS.read_text("utf-8")), encoding="utf-8")
