"""Check all packages in the lock files for known vulnerabilities, at PyPI and npm: ``python -m tools.audit``.

Exit status 0: none is known. 1: some are. 75 (sysexits' EX_TEMPFAIL): a registry could not be reached, which
is not the same as none.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
PIP_AUDIT: Final = ROOT / ".venv-audit" / "bin" / "pip-audit"

# What runs: the image, and what builds it. Tests and benchmarks never serve anyone.
LOCKS: Final = ("locks/runtime.txt", "locks/build.txt")
PACKAGES: Final = ("tests/e2e/clients", "tests/e2e/uploaders", "benchmarks/peers")

WEAK: Final = 1
NOT_ASKED: Final = os.EX_TEMPFAIL


def main() -> int:
    """Print one line for each lock file, and one for each vulnerability."""
    outcomes = [*(python_outcome(lock) for lock in LOCKS), *(npm_outcome(folder) for folder in PACKAGES)]
    statuses = set()
    for name, weaknesses, trouble in outcomes:
        print(f"{name}: {trouble or (f'{len(weaknesses)} known weaknesses')}")  # noqa: T201 - its output
        for weakness in weaknesses:
            print(f"  {weakness}")  # noqa: T201 - its output
        statuses.add(WEAK if weaknesses else NOT_ASKED if trouble else 0)
    return WEAK if WEAK in statuses else max(statuses)


Outcome = tuple[str, list[str], str]
"""Name of the lock file, vulnerabilities, and why it could not be audited, if so."""


def python_outcome(lock: str) -> Outcome:
    """Audit a lock file of pip."""
    command = [str(PIP_AUDIT), "--requirement", lock, "--require-hashes", "--disable-pip", "--format", "json"]
    report, error = _report(command)
    if report is None:
        return lock, [], f"could not be audited: {error}"
    weaknesses, skipped = read_pip_audit(report)
    trouble = f"{len(skipped)} packages could not be audited, {skipped[0]} first" if skipped else ""
    return lock, weaknesses, trouble


def read_pip_audit(report: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the vulnerabilities and the skipped packages of pip-audit's JSON report."""
    weaknesses, skipped = [], []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            skipped.append(package["name"])
            continue
        for found in package["vulns"]:
            fixed = ", ".join(found["fix_versions"]) or "no release"
            weaknesses.append(f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}")
    return weaknesses, skipped


def npm_outcome(folder: str) -> Outcome:
    """Audit a lock file of npm."""
    report, error = _report(["npm", "--prefix", folder, "audit", "--package-lock-only", "--json"])
    if report is None or "error" in report or "vulnerabilities" not in report:
        reason = error if report is None else str(report.get("message") or report.get("error"))
        return folder, [], f"could not be audited: {' '.join(reason.split())[:120]}"
    return folder, list(read_npm_audit(report)), ""


def read_npm_audit(report: dict[str, Any]) -> Iterator[str]:
    """Yield the vulnerabilities in npm's JSON report."""
    for name, found in report["vulnerabilities"].items():
        yield f"{name} {found['range']}: {found['severity']}"


def _report(command: list[str]) -> tuple[dict[str, Any] | None, str]:
    try:
        done = subprocess.run(command, capture_output=True, check=False, cwd=ROOT, text=True, timeout=300)  # noqa: S603 - our own program and arguments
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, type(error).__name__
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        lines = done.stderr.strip().splitlines()
        return None, lines[-1][:120] if lines else f"exit status {done.returncode}"
    return found, ""


if __name__ == "__main__":
    sys.exit(main())
