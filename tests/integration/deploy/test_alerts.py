"""Alert rules fire when they should, by Prometheus's own tool."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest
from tests.support.servers import ROOT

RULES: Final = ROOT / "deploy" / "prometheus"

PROMTOOL: Final = shutil.which("promtool")

pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="needs promtool: apt-get install prometheus")


def promtool(*arguments: str | Path) -> str:
    """Run it; return what it prints."""
    assert PROMTOOL is not None
    done = subprocess.run(  # noqa: S603 - our own
        [PROMTOOL, *arguments], cwd=RULES, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["alerts_test.yml", "alerts_day_test.yml"])
def test_alerts_fire_in_their_scenarios(name: str) -> None:
    """Each in its own and in no other; none while all is well."""
    assert "SUCCESS" in promtool("test", "rules", name)


def test_prometheus_takes_the_configuration() -> None:
    """With the rules that it names."""
    assert "SUCCESS: 2 rule files found" in promtool("check", "config", "prometheus.yml")


def test_every_alert_has_a_scenario() -> None:
    """A rule that nothing fires may never fire."""
    tests = "".join((RULES / name).read_text() for name in ("alerts_test.yml", "alerts_day_test.yml"))
    names = [
        line.split(": ")[1] for line in (RULES / "alerts.yml").read_text().splitlines() if "- alert:" in line
    ]
    assert [
        name
        for name in names
        if f'exp_samples: [{{labels: \'{{alertname="{name}"' not in tests
        and f'labels: \'{{alertname="{name}"' not in tests
    ] == []
