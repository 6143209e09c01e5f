"""What a check found, and how to mend it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Status = Literal["ok", "warning", "failed", "skipped"]

_LONGEST: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's result.

    Attributes:
        check: Its stable name, such as ``clock`` or ``cors:https://app.example.com``.
        status: ``skipped`` where it could not be made.
        found: What is there, in one line; never holds a credential or a signed URL.
        mend: What to do about it, in one line; empty where nothing is to be done.
        because: The check that has to be mended before this one can be made.
    """

    check: str
    status: Status
    found: str
    mend: str = ""
    because: str = ""


def ok(check: str, found: str) -> Finding:
    """Return that all is well."""
    return Finding(check=check, status="ok", found=one_line(found))


def warning(check: str, found: str, mend: str) -> Finding:
    """Return that something is odd, and uploads may work all the same."""
    return Finding(check=check, status="warning", found=one_line(found), mend=one_line(mend))


def failed(check: str, found: str, mend: str) -> Finding:
    """Return that something does not work."""
    return Finding(check=check, status="failed", found=one_line(found), mend=one_line(mend))


def skipped(check: str, found: str, mend: str = "") -> Finding:
    """Return that the check could not be made, or has nothing to look at."""
    return Finding(check=check, status="skipped", found=one_line(found), mend=one_line(mend))


def follows(check: str, cause: str) -> Finding:
    """Return that the check waits for another one's mending."""
    return Finding(check=check, status="skipped", found=f"not looked at: {cause} failed", because=cause)


def one_line(text: str) -> str:
    """Return text in one line, without what a terminal would obey; the ends of long ones are cut."""
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def listed(names: Iterable[str]) -> str:
    """Return names as a sentence has them."""
    return ", ".join(sorted(names)) or "none"
