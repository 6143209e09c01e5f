"""In CI nothing may be skipped: a test that did not run proved nothing."""

import pytest
from tests.support.ci import in_ci


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail the run when a test was skipped in CI."""
    if exitstatus == pytest.ExitCode.OK and _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why the run failed."""
    if count := _skipped(terminalreporter.config):
        terminalreporter.write_line(f"{count} skipped: in CI (CI is set) every test has to run", red=True)


def _skipped(config: pytest.Config) -> int:
    if not in_ci():
        return 0
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", [])) if reporter else 0
