"""docs/metrics.md lists exactly the existing metrics."""

from tests.support.servers import ROOT

from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.telemetry.processes import DEFINITIONS


def test_the_table_lists_every_metric() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith(("| `uploadsvc_", "| `process_"))
    ]
    assert rows == [
        [
            f"`{definition.name}`",
            definition.kind,
            ", ".join(f"`{label}`" for label in definition.labels),
            definition.help,
        ]
        for definition in {**Metrics().definitions(), **DEFINITIONS}.values()
    ]
