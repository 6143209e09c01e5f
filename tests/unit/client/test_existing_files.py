"""`get`, where something is in place of its files."""

import os
import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from tests.support.object_service import LINES, Connect, Service, files_in

from uploadsvc.client.getting import Getting

Place = Callable[[Path, Path], None]
LINKS = [Path.symlink_to, Path.hardlink_to, lambda path, _: path.symlink_to(path)]
SPECIAL = [
    lambda path, _: os.mkfifo(path),
    lambda path, _: os.mknod(path, stat.S_IFSOCK | 0o600),
    lambda path, _: path.mkdir(),
]


@pytest.mark.parametrize("place", [*LINKS, *SPECIAL])
async def test_nothing_is_written_through_a_partial_file(
    connection: Connect, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: Place
) -> None:
    """Whoever shares the folder knows its name; it must neither lead elsewhere nor block."""
    folder, victim = tmp_path / "folder", tmp_path / "victim"
    folder.mkdir()
    victim.write_bytes(b"own")
    version = sha256(b"uploads/ann/a\0e-uploads/ann/a").hexdigest()[:16]
    place(folder / f".uploadsvc-{version}.part", victim)
    getting = Getting(keys=["a"], to=f"{folder}/")
    assert await getting.run(connection(Service({"uploads/ann/a": b"evil"})), LINES) == 1
    assert "not a regular file; remove it" in capsys.readouterr().err
    assert victim.read_bytes() == b"own"
    assert "folder/a" not in files_in(tmp_path)
