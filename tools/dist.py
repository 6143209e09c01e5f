"""Build what a release consists of: ``python -m tools.dist``.

Wheel and sdist in ``dist/python``, the Helm chart in ``dist/chart``, and in ``dist/SHA256SUMS`` the hashes of
these and of the npm package, which ``make npm`` builds. Built again from the same commit, each has the
same bytes: times are those of the commit, or of ``SOURCE_DATE_EPOCH`` (Unix time in seconds;
https://reproducible-builds.org/specs/source-date-epoch/).
"""

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]  # its stubs are not among the tests' packages

ROOT: Final = Path(__file__).resolve().parent.parent
CHART: Final = ROOT / "deploy" / "helm" / "uploadsvc"
DIST: Final = ROOT / "dist"
SUMS: Final = "SHA256SUMS"
_FOLDERS: Final = ("chart", "npm", "python")


def version() -> str:
    """Return the version of the Python package, from which all others follow."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: str = project["project"]["version"]
    return found


def semantic(version: str) -> str:
    """Write a Python version (PEP 440) as SemVer, for npm and Helm: ``1.0.0rc1`` becomes ``1.0.0-rc.1``."""
    for short, long in (("a", "alpha"), ("b", "beta"), ("rc", "rc")):
        release, found, number = version.partition(short)
        if found and number.isdigit():
            return f"{release}-{long}.{number}"
    return version


def commit_time() -> int:
    """Return ``SOURCE_DATE_EPOCH``, or the time of the commit (Unix time in seconds)."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "log", "-1", "--format=%ct"]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout)  # noqa: S603 - our own arguments


def build_python(target: Path, time: int) -> None:
    """Build the wheel and the sdist."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(target)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(time)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)  # noqa: S603 - our own arguments


def build_chart(target: Path, time: int) -> None:
    """Pack the Helm chart as ``helm package`` does, but with one time and one owner for all files."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(path for path in CHART.rglob("*") if path.is_file()):
            content = path.read_bytes()
            member = tarfile.TarInfo(f"{chart['name']}/{path.relative_to(CHART).as_posix()}")
            member.size, member.mtime, member.mode = len(content), time, 0o644
            archive.addfile(member, io.BytesIO(content))
    name = f"{chart['name']}-{chart['version']}.tgz"
    (target / name).write_bytes(gzip.compress(packed.getvalue(), mtime=time))


def write_sums(target: Path) -> None:
    """List the SHA-256 hashes of all files, to be checked by ``sha256sum --check``."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(target).as_posix()}\n"
        for folder in _FOLDERS
        for path in sorted((target / folder).glob("*"))
    ]
    (target / SUMS).write_text("".join(lines), encoding="ascii")


def build(target: Path) -> None:
    """Build all of a release into a directory; what older builds left there goes."""
    time = commit_time()
    for folder, make in (("python", build_python), ("chart", build_chart)):
        shutil.rmtree(target / folder, ignore_errors=True)
        (target / folder).mkdir(parents=True)
        make(target / folder, time)
    write_sums(target)


def main() -> None:
    """Build into ``dist/``, and list what is there."""
    build(DIST)
    print((DIST / SUMS).read_text(encoding="ascii"), end="")  # noqa: T201 - its output


if __name__ == "__main__":
    main()
