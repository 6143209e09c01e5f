"""Findings of checks, with fixes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Status = Literal["ok", "warning", "failed", "skipped"]

_LONGEST: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Result of one check; its fields are those of ``doctor --json``.

    Attributes:
        check: Stable name of the check, such as ``clock`` or ``cors:https://app.example.com``.
        status: ``skipped`` if the check did not run.
        found: Result in one line, without credentials and signed URLs.
        mend: Fix in one line; empty if there is nothing to fix.
        because: The failed check that kept this one from running.
    """

    check: str
    status: Status
    found: str
    mend: str = ""
    because: str = ""


def ok(check: str, found: str) -> Finding:
    """Report success."""
    return Finding(check=check, status="ok", found=one_line(found))


def warning(check: str, found: str, fix: str) -> Finding:
    """Report a problem that may not affect uploads."""
    return Finding(check=check, status="warning", found=one_line(found), mend=one_line(fix))


def failed(check: str, found: str, fix: str) -> Finding:
    """Report a failure."""
    return Finding(check=check, status="failed", found=one_line(found), mend=one_line(fix))


def skipped(check: str, found: str, fix: str = "") -> Finding:
    """Report a check that did not run, or has nothing to check."""
    return Finding(check=check, status="skipped", found=one_line(found), mend=one_line(fix))


def blocked(check: str, cause: str) -> Finding:
    """Report a check that did not run because another one failed."""
    return Finding(check=check, status="skipped", found=f"not checked: {cause} failed", because=cause)


def one_line(text: str) -> str:
    """Return text in one line of limited length, with control characters escaped."""
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def listed(names: Iterable[str]) -> str:
    """Return sorted names with commas between them, or ``none``."""
    return ", ".join(sorted(names)) or "none"
