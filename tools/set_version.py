"""Set the version everywhere: ``python -m tools.set_version 1.0.0rc1``.

pyproject.toml defines the version; all other places repeat it. ``make manifests`` updates generated files.
"""

import re
import sys
from typing import Final

from tools.dist import ROOT, semantic

_PYTHON: Final = r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?"
_SEMVER: Final = r"\d+\.\d+\.\d+(?:-[a-z]+\.\d+)?"

PLACES: Final = (
    ("pyproject.toml", rf'^version = "({_PYTHON})"$'),
    ("openapi.json", rf'^    "version": "({_PYTHON})"$'),
    ("packages/browser/package.json", rf'^  "version": "({_SEMVER})",$'),
    ("deploy/helm/uploadsvc/Chart.yaml", rf"^version: ({_SEMVER})$"),
    ("deploy/helm/uploadsvc/Chart.yaml", rf'^appVersion: "({_SEMVER})"$'),
    ("deploy/compose/docker-compose.yml", rf"registry\.example\.com/uploadsvc:({_SEMVER})"),
    ("docs/container.md", rf"registry\.example\.com/uploadsvc:({_SEMVER})"),
)
"""Files, and the place of the version in each."""


def written(text: str, pattern: str) -> list[str]:
    """Return the versions in a text."""
    return re.findall(pattern, text, re.MULTILINE)


def expected(pattern: str, version: str) -> str:
    """Return the version in the format of a place: npm, Helm and images use SemVer."""
    return version if _PYTHON in pattern else semantic(version)


def replaced(text: str, pattern: str, version: str) -> str:
    """Return the text with another version."""

    def with_version(found: re.Match[str]) -> str:
        start, end = found.start(1) - found.start(), found.end(1) - found.start()
        return found[0][:start] + version + found[0][end:]

    return re.sub(pattern, with_version, text, flags=re.MULTILINE)


def main() -> None:
    """Set the given version."""
    version = sys.argv[1]
    if not re.fullmatch(_PYTHON, version):
        sys.exit(f"{version!r} must be a version such as 1.0.0 or 1.0.0rc1")
    for name, pattern in PLACES:
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        path.write_text(replaced(text, pattern, expected(pattern, version)), encoding="utf-8")


if __name__ == "__main__":
    main()
