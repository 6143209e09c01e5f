"""Packages of a release: the same bytes from the same commit, all of one version."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from datetime import date
from importlib import metadata
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are not among the tests' packages
from tools import dist
from tools.dist import ROOT, SUMS, semantic, version
from tools.set_version import PLACES, expected, replaced, written


def names(archive: Path) -> set[str]:
    """Return the files of a tar archive, without its first folder."""
    with tarfile.open(archive) as opened:
        return {member.name.partition("/")[2] for member in opened if member.isfile()}


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Copy what packages are built from, later and with other permissions."""
    target = tmp_path / "copy"
    kept = shutil.ignore_patterns("__pycache__")
    for folder in ("src", "tools", "deploy/helm"):
        shutil.copytree(ROOT / folder, target / folder, ignore=kept, copy_function=shutil.copyfile)
    for path in (*ROOT.glob("*.md"), ROOT / "LICENSE", ROOT / "pyproject.toml", ROOT / ".gitignore"):
        shutil.copyfile(path, target / path.name)
    later = time.time() + 86_400
    for path in target.rglob("*"):
        os.utime(path, (later, later))
        path.chmod(0o700 if path.is_dir() else 0o600)
    return target


def test_the_same_commit_gives_the_same_bytes(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the times and permissions of the files are; and what is in them is what users need."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first = tmp_path / "first"
    dist.build(first)
    dist.write_sums(first)
    monkeypatch.setenv("PATH", "")
    built = subprocess.run(
        [sys.executable, "-m", "tools.dist"], cwd=copied, check=True, capture_output=True, text=True
    )
    assert built.stderr == "All but the image, which needs Docker: docker is not installed.\n"
    assert (copied / "dist" / SUMS).read_text() == (first / SUMS).read_text()
    (sdist,) = first.glob("python/*.tar.gz")
    (chart,) = first.glob("chart/*.tgz")
    assert {"pyproject.toml", "LICENSE", "README.md", "src/uploadsvc/app.py"} <= names(sdist)
    assert not any(name.startswith(("tests/", "locks/", ".")) for name in names(sdist) - {".gitignore"})
    assert {"Chart.yaml", "values.yaml", "values.schema.json", "templates/deployment.yaml"} <= names(chart)
    # The time in gzip's header (RFC 1952): two builds within a second would not show it.
    assert chart.read_bytes()[4:8] == (1_700_000_000).to_bytes(4, "little")
    (wheel,) = first.glob("python/*.whl")
    assert len((first / SUMS).read_text().splitlines()) == len([sdist, chart, wheel])


def test_an_engine_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the release is built all the same."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon.' >&2; exit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert dist.build_image(tmp_path, 1) == "Cannot connect to the Docker daemon."


@pytest.mark.parametrize(
    ("python", "other"),
    [
        ("1.0.0", "1.0.0"),
        ("1.0.0rc1", "1.0.0-rc.1"),
        ("1.2.0a3", "1.2.0-alpha.3"),
        ("1.2.0b12", "1.2.0-beta.12"),
    ],
)
def test_versions_are_written_as_semver(python: str, other: str) -> None:
    assert semantic(python) == other


@pytest.mark.parametrize(("name", "pattern"), PLACES, ids=str)
def test_all_places_have_one_version(name: str, pattern: str) -> None:
    """`python -m tools.set_version` writes them."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert set(written(text, pattern)) == {expected(pattern, version())}


def test_setting_a_version_changes_nothing_else() -> None:
    for name, pattern in PLACES:
        text = (ROOT / name).read_text(encoding="utf-8")
        other = replaced(text, pattern, expected(pattern, "12.3.0b4"))
        assert set(written(other, pattern)) <= {"12.3.0b4", "12.3.0-beta.4"}
        assert replaced(other, pattern, expected(pattern, version())) == text


def test_the_installed_package_and_the_changelog_are_of_this_version() -> None:
    """After a change of the version, `make` installs the package again."""
    assert metadata.version("uploadsvc") == version()
    released = re.findall(r"^## (\S+) \((.+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0][0] == version()
    assert date.fromisoformat(released[0][1]) >= date(2026, 11, 29)


def test_the_image_is_pushed_by_the_tag_that_the_chart_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names in registries are in lower case. The step of the workflow is run as it is."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    steps = workflow["jobs"]["image"]["steps"]
    (script,) = [step["run"] for step in steps if step.get("id") == "image"]
    for name in ("GITHUB_OUTPUT", "GITHUB_ENV"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("GITHUB_REPOSITORY", "Owner/Repository")
    monkeypatch.setenv("REGISTRY", "registry.example.com")
    subprocess.run(["/bin/bash", "-e", "-c", script], cwd=ROOT, check=True)  # noqa: S603 - our own script
    assert (tmp_path / "GITHUB_OUTPUT").read_text().splitlines() == [
        "name=registry.example.com/owner/repository",
        f"tag={semantic(version())}",
    ]
    assert int((tmp_path / "GITHUB_ENV").read_text().removeprefix("SOURCE_DATE_EPOCH="))
