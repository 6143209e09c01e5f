"""`ls`, `get` and `rm` against a service that says anything."""

import io
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.support.object_service import LINES, TIME, Connect, Service, files_in

from uploadsvc.client.auth import caller_for
from uploadsvc.client.display import Bars
from uploadsvc.client.errors import Retries, UploadsvcError
from uploadsvc.client.getting import Getting, path_in
from uploadsvc.client.keys import Keys
from uploadsvc.client.listing import Listing, for_people
from uploadsvc.client.objects import AsyncObjects
from uploadsvc.client.removing import Removal
from uploadsvc.client.session import Session


async def test_a_listing_goes_through_all_pages(
    connection: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    """And stops at its limit, without asking for more than it shows."""
    service = Service({f"uploads/ann/{number:03}": b"" for number in range(25)})
    service.page = 10
    assert await Listing(prefix="").run(connection(service), LINES) == 0
    assert capsys.readouterr() == ("".join(f"{key}\n" for key in service.contents), "")
    service.calls.clear()
    assert await Listing(prefix="01", limit=3).run(connection(service), LINES) == 0
    shown = capsys.readouterr()
    assert shown.out.split() == ["uploads/ann/010", "uploads/ann/011", "uploads/ann/012"]
    assert "more than 3" in shown.err
    assert [call.url.params["limit"] for call in service.calls] == ["3"]


async def test_a_long_listing_is_for_people(connection: Connect, capsys: pytest.CaptureFixture[str]) -> None:
    """Escapes of a terminal are not obeyed, and the total comes on standard error."""
    service = Service({"uploads/ann/a\x1b]0;x\x07": b"x" * 1536, "uploads/ann/b": b"12"})
    assert await Listing(prefix="", details=True).run(connection(service), LINES) == 0
    shown = capsys.readouterr()
    first, second = shown.out.splitlines()
    assert first.startswith("   1.5 KiB  2026-11-2")
    assert first.endswith(r"  uploads/ann/a\x1b]0;x\x07")
    assert second.split()[:2] == ["2", "B"]
    assert shown.err == "uploadsvc: 2 objects, 1.5 KiB\n"


async def test_a_listed_key_is_a_key(connection: Connect, capsys: pytest.CaptureFixture[str]) -> None:
    """Spaces of any kind, joiners, and characters newer than Python are not escaped."""
    key = "uploads/ann/Screenshot 9.41\u202fAM\xa0\U0001f468\u200d\U0001f469\ufeff\u0378\ue000"
    service = Service({key: b"1"})
    assert await Listing(prefix="").run(connection(service), LINES) == 0
    (listed,) = capsys.readouterr().out.splitlines()
    assert await Removal(keys=[listed], recursive=False, asks=False).run(connection(service), LINES) == 0
    assert service.contents == {}


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ({"size": 2**63 - 1}, 0),
        ({"size": 2**63}, 1),
        ({"size": 10**400}, 1),
        ({"last_modified": "9999-12-31T23:59:59-23:59"}, 0),
        ({"last_modified": "0001-01-01T00:00:00+23:59"}, 0),
    ],
)
async def test_extreme_sizes_and_times(
    connection: Connect, monkeypatch: pytest.MonkeyPatch, value: dict[str, Any], status: int
) -> None:
    """They are shown, or refused as of another server."""
    service = Service({})
    listed = {"key": "a", "size": 1, "etag": "e", "last_modified": TIME, **value}
    answer = httpx.Response(200, json={"objects": [listed], "cursor": None})
    monkeypatch.setattr(service, "handle", lambda _: answer)
    assert await Listing(prefix="", details=True).run(connection(service), LINES) == status


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        *((0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1024**2 - 1, "1.0 MiB")),
        *((5 * 1024**3, "5.0 GiB"), (10**16, "9094.9 TiB")),
    ],
)
def test_sizes_for_people(size: int, shown: str) -> None:
    assert for_people(size) == shown


@given(
    prefix=st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map("/".join),
    keys=st.sets(st.lists(st.sampled_from("ab"), min_size=1, max_size=5).map("/".join), max_size=5),
)
async def test_the_own_prefix_is_found_by_asking(prefix: str, keys: set[str]) -> None:
    """However much keys repeat it."""
    service = Service({f"{prefix}/{key}": b"" for key in keys}, prefix=f"{prefix}/")
    http = httpx.AsyncClient(transport=httpx.MockTransport(service.handle))
    async with Session(
        "https://a.example", caller_for(token="t"), retries=Retries(), parallel=1, tell=print, http=http
    ) as session:
        found = Keys(AsyncObjects(session))
        assert await found.prefix() == (f"{prefix}/" if keys else "")
        for key in keys:
            assert (await found.find(f"{prefix}/{key}")).key == f"{prefix}/{key}"
            assert await found.relative(f"{prefix}/{key}") == key


async def test_keys_are_whole_or_relative(
    connection: Connect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = Service({"uploads/ann/2026/a.txt": b"a", "uploads/ann/2026/b.txt": b"b"})
    getting = Getting(keys=["uploads/ann/2026/a.txt", "2026/b.txt"], to=str(tmp_path))
    assert await getting.run(connection(service), LINES) == 0
    assert files_in(tmp_path) == {"a.txt": b"a", "b.txt": b"b"}
    assert await Listing(prefix="uploads/ann/2026/b").run(connection(service), LINES) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "uploads/ann/2026/b.txt"


async def test_folders_are_kept_from_the_last_one_on(connection: Connect, tmp_path: Path) -> None:
    """As `cp -r` does, once for each place; objects that stand for folders make no files."""
    service = Service({f"uploads/ann/x/2026/{name}": name.encode() for name in ("a", "b/c", "b/d")})
    service.contents["uploads/ann/x/2026/b/"] = b""
    getting = Getting(keys=["x/2026/", "x/2026/b", "x/2026/"], recursive=True, to=str(tmp_path))
    assert await getting.run(connection(service), LINES) == 0
    assert set(files_in(tmp_path)) == {"2026/a", "2026/b/c", "2026/b/d", "b/c", "b/d"}


@pytest.mark.parametrize(
    "key", ["../evil", "x/../../evil", "/evil", "x//evil", "x/./evil", "link/evil", ".."]
)
async def test_no_key_leads_out_of_the_folder(
    connection: Connect, tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    """Other programs store objects too. What is harmless is downloaded all the same."""
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "link").symlink_to(outside)
    service = Service({f"uploads/ann/{key}": b"evil", "uploads/ann/good": b"good"})
    getting = Getting(keys=[""], recursive=True, to=str(folder))
    assert await getting.run(connection(service), LINES) == 1
    assert set(files_in(tmp_path)) == {"folder/good"}
    assert key in capsys.readouterr().err


@given(st.lists(st.text(st.sampled_from("./a\\\0é")), min_size=1, max_size=4))
def test_a_path_is_in_its_folder_or_refused(parts: list[str]) -> None:
    folder = Path("/no/such/folder")
    with suppress(UploadsvcError):
        path = path_in(folder, tuple("/".join(parts).split("/")))
        assert path.resolve().is_relative_to(folder)
        assert path.resolve() != folder


async def test_files_that_are_there_are_not_replaced(
    connection: Connect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an earlier run has downloaded is not fetched again, so the same command goes on."""
    service = Service({"uploads/ann/a": b"new", "uploads/ann/b": b"b"})
    (tmp_path / "a").write_bytes(b"own")
    getting = Getting(keys=["uploads/ann/a", "uploads/ann/b"], to=str(tmp_path))
    assert await getting.run(connection(service), LINES) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "a").read_bytes() == b"own"
    service.calls.clear()
    assert await getting.run(connection(service), LINES) == 1
    assert not [call for call in service.calls if call.url.host == "s3.example"]
    assert "b (already there)" in capsys.readouterr().out
    replacing = Getting(keys=["uploads/ann/a"], to=str(tmp_path), overwrite=True)
    assert await replacing.run(connection(service), LINES) == 0
    assert (tmp_path / "a").read_bytes() == b"new"


async def test_two_objects_of_one_name(
    connection: Connect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second is not written over the first."""
    service = Service({"uploads/ann/1/a": b"1", "uploads/ann/2/a": b"2"})
    assert await Getting(keys=["1/a", "2/a"], to=str(tmp_path)).run(connection(service), LINES) == 1
    assert (tmp_path / "a").read_bytes() == b"1"
    assert "same file name" in capsys.readouterr().err


CONTENT = bytes(range(256)) * 40


@pytest.mark.parametrize("ranges", [True, False], ids=["with ranges", "without ranges"])
async def test_a_broken_download_goes_on(connection: Connect, tmp_path: Path, *, ranges: bool) -> None:
    """Each time it breaks, however few retries there are; bytes that are there are not written again."""
    service, asked = Service({"uploads/ann/a": CONTENT}), list[str]()

    def answer(request: httpx.Request, content: bytes) -> httpx.Response:
        asked.append(request.headers.get("Range", ""))
        start = int(asked[-1].removeprefix("bytes=").rstrip("-") or 0) if ranges else 0
        headers = {"ETag": '"e-uploads/ann/a"'}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = _Breaking(content[start:], after=1000 * len(asked) - start)
        return httpx.Response(206 if start else 200, stream=body, headers=headers)

    service.answer = answer
    getting = Getting(keys=["uploads/ann/a"], to=str(tmp_path / "b"))
    assert await getting.run(connection(service), LINES) == 0
    assert files_in(tmp_path) == {"b": CONTENT}
    assert asked == ["", *(f"bytes={done}-" for done in range(1000, len(CONTENT), 1000))]


class _Breaking(httpx.AsyncByteStream):
    def __init__(self, content: bytes, *, after: int) -> None:
        self._content = content
        self._after = after

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content[: self._after]
        if self._after < len(self._content):
            message = "the line broke"
            raise httpx.ReadError(message)


@pytest.mark.parametrize("there", [b"", CONTENT[:5000], CONTENT, CONTENT + b"more"])
async def test_a_stopped_download_goes_on_in_the_next_run(
    connection: Connect, tmp_path: Path, there: bytes
) -> None:
    """Of the same version of the object; what cannot be its start is thrown away."""
    service = Service({"uploads/ann/a": CONTENT})

    def stop(_: httpx.Request, __: bytes) -> httpx.Response:
        return httpx.Response(200, stream=_Breaking(CONTENT, after=10), headers={"ETag": '"e-uploads/ann/a"'})

    service.answer = stop
    getting = Getting(keys=["uploads/ann/a"], to=str(tmp_path / "b"))
    service.contents["uploads/ann/a"] = CONTENT
    assert await getting.run(connection(service), LINES) == 1
    (partial,) = files_in(tmp_path)
    assert partial.startswith(".uploadsvc-")
    (tmp_path / partial).write_bytes(there)
    service.answer = _ranged
    assert await getting.run(connection(service), LINES) == 0
    assert files_in(tmp_path) == {"b": CONTENT}
    last = service.calls[-1]
    assert last.headers.get("Range") == ("bytes=5000-" if len(there) == 5000 else None)
    assert last.headers.get("Accept-Encoding") == "identity" or there == CONTENT


def _ranged(request: httpx.Request, content: bytes) -> httpx.Response:
    start = int(request.headers.get("Range", "bytes=0-")[6:-1])
    headers = {
        "ETag": '"e-uploads/ann/a"',
        "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}",
    }
    return httpx.Response(206 if start else 200, stream=httpx.ByteStream(content[start:]), headers=headers)


async def test_another_range_is_not_written(
    connection: Connect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A proxy may answer with what it has."""
    service = Service({"uploads/ann/a": CONTENT})

    def answer(request: httpx.Request, content: bytes) -> httpx.Response:
        start = "Range" in request.headers
        headers = {"ETag": '"e-uploads/ann/a"', "Content-Range": f"bytes 5-{len(content) - 1}/*"}
        return httpx.Response(206 if start else 200, stream=_Breaking(content, after=10), headers=headers)

    service.answer = answer
    getting = Getting(keys=["a"], to=str(tmp_path / "b"))
    assert await getting.run(connection(service), LINES) == 1
    assert "not an uploadsvc" in capsys.readouterr().err
    (partial,) = files_in(tmp_path).values()
    assert partial == CONTENT[:10]


async def test_two_commands_do_not_write_one_file(
    connection: Connect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second is told; what the first has is untouched."""
    service = Service({"uploads/ann/a": CONTENT})
    getting = Getting(keys=["uploads/ann/a"], to=str(tmp_path / "b"))
    there: dict[str, bytes] = {}

    async def second() -> None:
        assert await getting.run(connection(service), LINES) == 1
        there.update(files_in(tmp_path))

    class Meanwhile(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            await second()
            yield CONTENT

    service.answer = lambda *_: httpx.Response(200, stream=Meanwhile(), headers={"ETag": '"e-uploads/ann/a"'})
    assert await getting.run(connection(service), LINES) == 0
    assert "Another command is downloading the object" in capsys.readouterr().err
    assert len(there) == 1
    assert files_in(tmp_path) == {"b": CONTENT}


async def test_bytes_that_are_there_count(connection: Connect, tmp_path: Path) -> None:
    """In the bar of the whole, which ends full."""
    service = Service({"uploads/ann/a": CONTENT, "uploads/ann/b": CONTENT})
    getting = Getting(keys=["a", "b"], to=str(tmp_path))
    assert await getting.run(connection(service), LINES) == 0
    with Bars(Console(file=io.StringIO()), as_json=False) as bars:
        assert await getting.run(connection(service), bars) == 0
        assert [task.completed for task in bars._progress.tasks] == [2 * len(CONTENT)]


async def test_another_version_is_not_mixed_in(
    connection: Connect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The object was replaced between two responses; nothing of either is left."""
    service = Service({"uploads/ann/a": CONTENT})
    etags = iter(['"e-uploads/ann/a"', '"other"'])

    def answer(_: httpx.Request, content: bytes) -> httpx.Response:
        return httpx.Response(200, stream=_Breaking(content, after=10), headers={"ETag": next(etags)})

    service.answer = answer
    getting = Getting(keys=["uploads/ann/a"], to=str(tmp_path / "b"))
    assert await getting.run(connection(service), LINES) == 1
    assert "was replaced" in capsys.readouterr().err
    assert files_in(tmp_path) == {}


async def test_what_is_deleted_was_there(connection: Connect, capsys: pytest.CaptureFixture[str]) -> None:
    """A key of nothing is a problem, and the others go all the same."""
    service = Service({"uploads/ann/a": b"1", "uploads/ann/b": b"2", "uploads/ann/dir/c": b"3"})
    removal = Removal(keys=["a", "none", "uploads/ann/b"], recursive=False, asks=False)
    assert await removal.run(connection(service), LINES) == 1
    shown = capsys.readouterr()
    assert sorted(shown.out.splitlines()) == ["deleted uploads/ann/a", "deleted uploads/ann/b"]
    assert shown.err == "uploadsvc: none: There is no such object.\n"
    assert await Removal(keys=["di"], recursive=True, asks=False).run(connection(service), LINES) == 0
    assert service.contents == {}
    assert await Removal(keys=["x"], recursive=True, asks=False).run(connection(service), LINES) == 0
    assert "nothing to delete" in capsys.readouterr().err
