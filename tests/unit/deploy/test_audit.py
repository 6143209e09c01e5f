"""How `make audit` evaluates the reports of pip-audit and npm."""

import pytest
from tools import audit

WEAK = {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
FINE = {"name": "b", "version": "1", "vulns": []}
SKIPPED = {"name": "c", "skip_reason": "not found"}


def test_weaknesses_and_skipped_packages_are_told_apart() -> None:
    """A package that could not be asked for is not one without weaknesses."""
    report = {"dependencies": [WEAK, FINE, SKIPPED]}
    assert audit.read_pip_audit(report) == (["a 1: CVE-1, fixed in 2"], ["c"])


@pytest.mark.parametrize(
    ("python", "npm", "status"),
    [
        ([FINE], {"vulnerabilities": {}}, 0),
        ([SKIPPED], {"vulnerabilities": {}}, audit.NOT_ASKED),
        ([FINE], {"message": "405 Method Not Allowed", "error": {}}, audit.NOT_ASKED),
        ([FINE], None, audit.NOT_ASKED),
        ([WEAK, SKIPPED], None, audit.WEAK),
        ([SKIPPED], {"vulnerabilities": {"x": {"range": "<2", "severity": "high"}}}, audit.WEAK),
    ],
)
def test_the_exit_status_is_the_worst(
    monkeypatch: pytest.MonkeyPatch, python: list[object], npm: dict[str, object] | None, status: int
) -> None:
    """Weak before not asked, not asked before clean."""

    def report(command: list[str]) -> tuple[object, str]:
        return (npm, "no JSON") if command[0] == "npm" else ({"dependencies": python}, "")

    monkeypatch.setattr(audit, "_report", report)
    assert audit.main() == status
