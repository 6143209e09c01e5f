"""Build the artifacts of a release: ``python -m tools.dist``.

Wheel and sdist in ``dist/python``, the Helm chart in ``dist/chart``, the image in ``dist/image``, and in
``dist/SHA256SUMS`` the hashes of these, of the npm package and of the list of the image's packages, which
``make`` has built before. Builds are reproducible from a commit, byte for byte: timestamps are those of the
commit, or of ``SOURCE_DATE_EPOCH`` (Unix time in seconds;
https://reproducible-builds.org/specs/source-date-epoch/).
"""

import gzip
import hashlib
import io
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]  # its stubs are not among the tests' packages

from tools.image_archive import write_archive

ROOT: Final = Path(__file__).resolve().parent.parent
CHART: Final = ROOT / "deploy" / "helm" / "uploadsvc"
DIST: Final = ROOT / "dist"
SUMS: Final = "SHA256SUMS"
_LISTED: Final = ("chart/*", "image/*", "npm/*", "python/*", "*.cdx.json")


def version() -> str:
    """Return the version of the Python package, from which all others are derived."""
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
    """Pack the Helm chart like ``helm package``, but with the same timestamp and owner for all files."""
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


def build_image(target: Path, time: int) -> str | None:
    """Build the image with Docker, for this machine's architecture. ``DOCKER_FLAGS`` are passed on.

    Returns:
        The reason if there is no image: Docker is missing or does not answer.
    """
    docker = shutil.which("docker")
    if docker is None:
        return "docker is not installed."
    # An engine that does not answer says so; its server's architecture is that of the image.
    asked = _run([docker, "version", "--format", "{{.Server.Os}}-{{.Server.Arch}}"], check=False)
    if asked.returncode:
        return asked.stderr.strip() or "it has no server."
    released = semantic(version())
    tag = f"uploadsvc:{released}"
    build = [docker, "build", "--tag", tag, "--label", f"org.opencontainers.image.version={released}"]
    # Attestations tell when an image was built. The published image has them, in the registry.
    own = {**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "SOURCE_DATE_EPOCH": str(time)}
    flags = shlex.split(os.environ.get("DOCKER_FLAGS", ""))
    subprocess.run([*build, *flags, "."], cwd=ROOT, env=own, check=True, stdout=sys.stderr)  # noqa: S603 - our own arguments
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "saved.tar"
        _run([docker, "save", "--output", str(saved), tag])
        write_archive(saved, target / f"uploadsvc-{released}-{asked.stdout.strip()}.tar", tag=tag, time=time)
    return None


def _run(command: list[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, check=check, text=True)  # noqa: S603 - our own arguments


def write_sums(target: Path) -> None:
    """List the SHA-256 hashes of all files, for ``sha256sum --check``."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(target).as_posix()}\n"
        for pattern in _LISTED
        for path in sorted(target.glob(pattern))
    ]
    (target / SUMS).write_text("".join(lines), encoding="ascii")


def build(target: Path) -> None:
    """Build the packages and the chart into a directory, and remove older builds from it."""
    time = commit_time()
    for folder, make in (("python", build_python), ("chart", build_chart)):
        make(_emptied(target / folder), time)


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def main() -> None:
    """Build into ``dist/``, and list its files."""
    build(DIST)
    missing = build_image(_emptied(DIST / "image"), commit_time())
    write_sums(DIST)
    print((DIST / SUMS).read_text(encoding="ascii"), end="")  # noqa: T201 - its output
    if missing is not None:
        print(f"All but the image, which needs Docker: {missing}", file=sys.stderr)  # noqa: T201 - its output


if __name__ == "__main__":
    main()
