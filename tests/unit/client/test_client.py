"""Units of the client."""

import io
import json
import os
import re
import time
import unicodedata
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import Progress

from uploadsvc.client.api import Layout
from uploadsvc.client.display import Bars, _speed_column, display_for, plain
from uploadsvc.client.errors import (
    Refused,
    Retries,
    Transient,
    UploadsvcError,
    s3_problem,
    service_problem,
)
from uploadsvc.client.file import Fingerprint, open_file
from uploadsvc.client.models import Stored, StoredObject
from uploadsvc.client.resume import ResumeStore, SavedUpload, default_directory, state_name
from uploadsvc.domain.parts import MAX_PART_SIZE, MAX_PARTS, cut

REMEMBERED = SavedUpload(
    url="https://uploads.example.com",
    id="aGFuZGxl",
    fingerprint=Fingerprint(path="/a\udcff", size=1, mtime_ns=2, ctime_ns=4, inode=3),
)


@given(size=st.integers(0, MAX_PART_SIZE * MAX_PARTS), numbers=st.sets(st.integers(1, 10_000)))
def test_parts_are_those_of_the_service(size: int, numbers: set[int]) -> None:
    """Their number, their sizes and places; what is missing is all that has not arrived whole."""
    parts = cut(size, least_part_size=5 * 1024**2)
    layout = Layout(size=size, part_size=parts.part_size, part_count=parts.count)
    some = [number for number in numbers if number <= parts.count]
    for number in some:
        assert layout.size_of(number) == parts.size_of(number)
    arrived = {number: parts.size_of(number) for number in some}
    missing = layout.missing(arrived)
    assert sorted([*missing, *some]) == list(range(1, parts.count + 1))
    if some:
        arrived[some[0]] += 1
        assert some[0] in layout.missing(arrived)
    assert layout.start_of(parts.count) + layout.size_of(parts.count) == size


@given(tried=st.integers(1, 1000), retry_after=st.floats(0, 1e6))
def test_waits_grow_and_are_bounded(tried: int, retry_after: float) -> None:
    """Full jitter over an exponential bound, after what the server asked for."""
    retries = Retries(first_delay=0.5, max_delay=30)
    asked = min(retry_after, 120)
    assert (
        asked <= retries.delay(tried, retry_after=retry_after) <= asked + min(30, 0.5 * 2 ** min(tried, 20))
    )


def test_waits_differ() -> None:
    """Clients that failed together do not come back together."""
    assert len({Retries().delay(5) for _ in range(20)}) == 20


@pytest.mark.parametrize("value", ["3", "Mon, 23 Nov 2026 12:00:00 GMT", "-1", "٣", ""])
def test_retry_after(value: str) -> None:
    """Seconds; what else there may be is passed over."""
    problem = s3_problem(httpx.Response(503, headers=[(b"Retry-After", value.encode())]))
    assert isinstance(problem, Transient)
    assert problem.retry_after == (3 if value == "3" else 0)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 412, 501])
def test_what_waiting_does_not_mend_at_s3(status: int) -> None:
    """Said at once, whatever comes as a body."""
    problem = s3_problem(httpx.Response(status, content=b"\xff<Code>"))
    assert isinstance(problem, Refused)
    assert problem.status == status


def test_what_waiting_does_not_mend_at_the_service() -> None:
    """An operator has to."""
    for code, transient in (("storage_denied", False), ("storage_unavailable", True)):
        answer = httpx.Response(502, json={"code": code, "detail": "S3."})
        assert isinstance(service_problem(answer), Transient) is transient
    exceeded = service_problem(httpx.Response(403, json={"code": "quota_exceeded", "detail": "9 are left."}))
    assert not isinstance(exceeded, Transient)
    assert str(exceeded) == "9 are left."
    assert isinstance(service_problem(httpx.Response(502, text="<html>")), Transient)
    assert service_problem(httpx.Response(404, json=[])).code == "unexpected_answer"


def test_a_state_is_whole_and_private(tmp_path: Path) -> None:
    """Found as it was saved, by its user alone; a failure leaves the old one."""
    resume = ResumeStore(tmp_path / "uploads")
    assert resume.find("a.json") is None
    resume.save("a.json", REMEMBERED)
    assert resume.find("a.json") == REMEMBERED
    assert (tmp_path / "uploads").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "uploads" / "a.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(TypeError):
        resume.save("a.json", SavedUpload(url="", id=object(), fingerprint=REMEMBERED.fingerprint))  # type: ignore[arg-type]
    assert resume.find("a.json") == REMEMBERED
    assert [path.name for path in (tmp_path / "uploads").iterdir()] == ["a.json"]
    resume.forget("a.json")
    resume.forget("a.json")
    assert resume.find("a.json") is None


@pytest.mark.parametrize("text", ["", "[]", "null", '{"version": 1}', '{"version": 1, "fingerprint": {}}'])
def test_a_state_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    """It is then written anew."""
    (tmp_path / "a.json").write_text(text)
    assert ResumeStore(tmp_path).find("a.json") is None


def test_old_states_go(tmp_path: Path) -> None:
    """Their ids have long ended."""
    resume = ResumeStore(tmp_path)
    for name in ("old.json", "new.json"):
        resume.save(name, REMEMBERED)
    long_ago = time.time() - 50 * 86_400
    os.utime(tmp_path / "old.json", (long_ago, long_ago))
    resume.tidy()
    assert [path.name for path in tmp_path.iterdir()] == ["new.json"]
    ResumeStore(tmp_path / "none").tidy()


def test_without_a_directory_nothing_is_kept() -> None:
    """Nobody's home is known."""
    resume = ResumeStore(None)
    resume.tidy()
    resume.save("a.json", REMEMBERED)
    assert resume.find("a.json") is None
    resume.forget("a.json")


def test_where_states_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the XDG specification says."""
    monkeypatch.setenv("HOME", "/home/zoe")
    assert default_directory({"XDG_STATE_HOME": "/s"}) == Path("/s/uploadsvc/uploads")
    for relative in ({"XDG_STATE_HOME": "s"}, {"XDG_STATE_HOME": ""}, {}):
        assert default_directory(relative) == Path("/home/zoe/.local/state/uploadsvc/uploads")


def test_what_makes_two_runs_the_same() -> None:
    """Service, file and options, in whatever order."""
    name = state_name("https://a", "/f\udcff", {"policy": None, "checksum": "crc32"})
    assert name == state_name("https://a", "/f\udcff", {"checksum": "crc32", "policy": None})
    assert name != state_name("https://b", "/f\udcff", {"policy": None, "checksum": "crc32"})
    assert name != state_name("https://a", "/f", {"policy": None, "checksum": "crc32"})
    assert name != state_name("https://a", "/f\udcff", {"policy": "p", "checksum": "crc32"})
    json.dumps(name)


@given(st.text(st.characters()))
def test_a_terminal_is_shown_what_it_does_not_obey(text: str) -> None:
    """Whatever a file is called, or a service answers."""
    shown = plain(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
    # Each that reorders text is a format character, named for what it does.
    reordering = re.compile("(LEFT|RIGHT)-TO-|DIRECTIONAL|ISOLATE|ARABIC LETTER MARK")
    formats = (unicodedata.name(c, "") for c in shown if unicodedata.category(c) == "Cf")
    assert not any(map(reordering.search, formats))
    shown.encode()


@pytest.mark.parametrize("bars", [False, True])
def test_no_line_moves_the_cursor(capsys: pytest.CaptureFixture[str], *, bars: bool) -> None:
    """A file's name, a key, or the words of a server."""
    hostile = "\x1b]0;pwned\x07\x1b[2J\u202e\x9b31m"
    display = display_for(as_json=False, bars=bars)
    display.stored(hostile, Stored(object=StoredObject(key=hostile, size=1, etag="e"), receipt="r"))
    display.failed(hostile, UploadsvcError("code", hostile))
    display.tell(hostile)
    display.file(hostile, 1).say(hostile)
    printed = capsys.readouterr()
    for text in (printed.out, printed.err):
        assert "pwned" in text
        assert all(line.isprintable() for line in text.splitlines())


def test_bars_show_what_is_there_and_what_is_sent() -> None:
    """Of each file and of all; what has to be sent again is taken back."""
    printed = io.StringIO()
    console = Console(file=printed, force_terminal=True, width=120, color_system=None)
    with Bars(console, as_json=False) as bars:
        bars.expect([4 * 1024**2, 4 * 1024**2])
        one = bars.file("[one]\x1b", 4 * 1024**2)
        one.reset(1024**2)
        one.advance(2 * 1024**2)
        one.advance(-(1024**2))
        shown = {task.description: task.completed for task in bars._progress.tasks}
        assert shown == {"all files 0/2": 2 * 1024**2, "[one]\\x1b": 2 * 1024**2}
        one.say("going on")
        one.end()
        # One of several that is small has no bar, and counts.
        two = bars.file("two", 1000)
        two.advance(1000)
        two.end()
        assert [task.completed for task in bars._progress.tasks] == [2 * 1024**2 + 1000]
        bars.stored("two", Stored(object=StoredObject(key="k", size=1000, etag="e"), receipt="r"))
        bars.failed("[one]", UploadsvcError("code", "No."))
        assert [task.description for task in bars._progress.tasks] == ["all files 2/2"]
    assert "[one]\\x1b: going on" in printed.getvalue()
    assert "2.0/8.0 MiB" in printed.getvalue()
    assert "uploadsvc: 1 of 2 done, 1 failed" in printed.getvalue()


def test_rates_have_the_units_of_sizes() -> None:
    """Rich mixes binary sizes and decimal rates."""
    clock = iter(range(0, 1000, 10))
    column = _speed_column()
    bars = Progress(column, get_time=lambda: float(next(clock)), auto_refresh=False)
    task = bars.add_task("film.mp4", total=100 * 1024**2)
    assert str(column.render(bars.tasks[0])) == ""
    for _ in range(3):
        bars.advance(task, 30 * 1024**2)
    assert str(column.render(bars.tasks[0])) == "3.0 MiB/s"


def test_a_file_whose_time_was_set_back_is_another(tmp_path: Path) -> None:
    """As ``rsync --inplace -t`` leaves it: the parts that arrived are not its parts."""
    path = tmp_path / "film.mp4"
    path.write_bytes(b"before")
    found = path.stat()
    with open_file(path) as source:
        before = source.fingerprint
    path.write_bytes(b"after!")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    with open_file(path) as source:
        after = source.fingerprint
    assert (after.size, after.mtime_ns, after.inode) == (before.size, before.mtime_ns, before.inode)
    assert after != before
