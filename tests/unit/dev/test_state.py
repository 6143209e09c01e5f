"""Only their owner can read the keys of ``uploadsvc dev``."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from uploadsvc.dev.state import load_keys

KEYS = "keys.json"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_keys_are_kept_and_private(tmp_path: Path) -> None:
    """So is the directory, which also holds the stored objects."""
    directory = tmp_path / ".uploadsvc"
    assert load_keys(directory) == load_keys(directory)
    assert (mode(directory), mode(directory / KEYS)) == (0o700, 0o600)


@pytest.mark.parametrize("broken", ["", "{}", "[]", "null"])
def test_a_file_without_keys_is_replaced_by_a_private_one(tmp_path: Path, broken: str) -> None:
    """Even if others could read the old one."""
    (tmp_path / KEYS).write_text(broken)
    (tmp_path / KEYS).chmod(0o644)
    keys = load_keys(tmp_path)
    assert keys.secret_key in (tmp_path / KEYS).read_text()
    assert mode(tmp_path / KEYS) == 0o600


def test_a_file_of_an_older_version_gains_what_it_lacks(tmp_path: Path) -> None:
    """Its other keys stay: the embedded S3's objects need them."""
    first = load_keys(tmp_path)
    old = json.loads((tmp_path / KEYS).read_text())
    del old["receipt_key"]
    (tmp_path / KEYS).write_text(json.dumps(old))
    second = load_keys(tmp_path)
    assert replace(second, receipt_key="") == replace(first, receipt_key="")
    assert second.receipt_key not in {"", first.receipt_key}
    assert load_keys(tmp_path) == second
