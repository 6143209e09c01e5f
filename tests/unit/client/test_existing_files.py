"""`get`, where something is in place of its files."""

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from hashlib import md5, sha256
from pathlib import Path

import pytest
from tests.support.object_service import LINES, Connect, Service, files_in

from uploadsvc.client.getting import Getting
from uploadsvc.client.objects import AsyncObjects

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


@pytest.mark.parametrize("linked", [False, True], ids=["itself", "by a link"])
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("place", SPECIAL)
async def test_only_regular_files_are_replaced(
    connection: Connect,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    place: Place,
    *,
    overwrite: bool,
    linked: bool,
) -> None:
    """A device such as /dev/null is there for others too, and /dev/stdout is a link to one."""
    path = tmp_path / "a"
    place(tmp_path / "b" if linked else path, tmp_path)
    if linked:
        path.symlink_to("b")
    before = path.lstat()
    getting = Getting(keys=["a"], to=f"{tmp_path}/", overwrite=overwrite)
    connected = connection(Service({"uploads/ann/a": b"1"}))
    assert await getting.run(connected, LINES) == 1
    async with connected.session(print) as session:
        with pytest.raises(FileExistsError):
            await AsyncObjects(session).download("uploads/ann/a", path)
    assert f"{path} is not a regular file" in capsys.readouterr().err
    assert os.path.samestat(path.lstat(), before)


async def test_a_link_is_replaced_only_when_told(
    connection: Connect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the file that it leads to is left alone."""
    (tmp_path / "b").write_bytes(b"own")
    (tmp_path / "a").symlink_to("b")
    service = Service({"uploads/ann/a": b"new"})
    getting = Getting(keys=["a"], to=f"{tmp_path}/")
    assert await getting.run(connection(service), LINES) == 1
    assert "is a link; use --overwrite" in capsys.readouterr().err
    assert await replace(getting, overwrite=True).run(connection(service), LINES) == 0
    assert files_in(tmp_path) == {"a": b"new", "b": b"own"}


def _md5(_: str, content: bytes) -> str:
    return md5(content, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("etag", "downloads"),
    [
        (_md5, 1),
        (lambda key, content: _md5("", f"{key} encrypted".encode() + content), 1),
        (lambda key, content: f"{_md5(key, content)}-2", 0),
    ],
    ids=["MD5", "SSE-KMS", "parts"],
)
async def test_an_object_replaced_within_a_second(
    connection: Connect, tmp_path: Path, etag: Callable[[str, bytes], str], downloads: int
) -> None:
    """By one of the same size, it is known by its MD5. No ETag makes all files be downloaded again."""
    service = Service({f"uploads/ann/{name}": b"old" for name in "abcd"})
    service.etag = etag
    connected = replace(connection(service), parallel=1)
    getting = Getting(keys=[""], recursive=True, to=str(tmp_path))
    assert await getting.run(connected, LINES) == 0
    service.contents["uploads/ann/a"] = b"new"
    service.calls.clear()
    assert await getting.run(connected, LINES) == 0
    assert sum(call.url.host == "s3.example" for call in service.calls) == downloads
    assert files_in(tmp_path)["a"] == (b"new" if downloads else b"old")
