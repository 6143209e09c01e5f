"""Render and lint the Helm chart with Helm's own library, in the environment that has it.

Read a JSON list of values from standard input, and print a JSON list of results: the rendered text by
template, or Helm's error.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import helm_python

CHART: Final = Path(__file__).resolve().parent.parent / "deploy" / "helm" / "uploadsvc"


def result(values: dict[str, Any]) -> dict[str, Any]:
    """Return Helm's result for these values, for a release called uploadsvc."""
    try:
        with helm_python.Chart.load(CHART) as chart:
            rendered = chart.render(values, name="uploadsvc", namespace="uploadsvc")
    except helm_python.HelmError as error:
        return {"error": str(error)}
    report = helm_python.lint(CHART, values, strict=True)
    return {"rendered": rendered, "lint": report}


if __name__ == "__main__":
    json.dump([result(values) for values in json.load(sys.stdin)], sys.stdout)
