"""Render the plain manifests from the Helm chart: ``python -m tools.manifests``."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]  # its stubs are not among the tests' packages

ROOT: Final = Path(__file__).resolve().parent.parent
HELM_PYTHON: Final = ROOT / ".venv-deploy" / "bin" / "python"
MANIFESTS: Final = ROOT / "deploy" / "manifests"
VALUES: Final = ROOT / "deploy" / "helm" / "manifests-values.yaml"

HEADER: Final = "# Rendered from deploy/helm/uploadsvc with manifests-values.yaml by `make manifests`.\n"

# What is true of a release of Helm alone.
_HELM_S: Final = re.compile(
    r"^ +annotations:\n +# A new pod .*\n +checksum/settings: .*\n +checksum/secrets: .*\n"
    r"|^ +helm\.sh/chart: .*\n|^ +app\.kubernetes\.io/managed-by: .*\n",
    re.MULTILINE,
)


def from_helm(cases: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Render the chart with each of these values.

    Returns:
        For each, ``rendered`` (text by template) and ``lint`` (Helm's report), or ``error``.
    """
    done = subprocess.run(  # noqa: S603 - our own program and arguments
        [HELM_PYTHON, "-m", "tools.chart"],
        input=json.dumps(cases),
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    )
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def manifests() -> dict[str, str]:
    """Return the plain manifests by file name."""
    (result,) = from_helm([yaml.safe_load(VALUES.read_text(encoding="utf-8"))])
    plain = {}
    for template, text in result["rendered"].items():
        body = _HELM_S.sub("", text).strip().removeprefix("---\n")
        if template.endswith(".yaml") and body:
            plain[template.rpartition("/")[2]] = f"{HEADER}{body}\n"
    return plain


def main() -> None:
    """Write the manifests, and remove those that the chart no longer renders."""
    made = manifests()
    for path in MANIFESTS.glob("*.yaml"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (MANIFESTS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
