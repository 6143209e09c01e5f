"""`ls`, `get` and `rm`, and uploads from standard input and patterns, on a real S3."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.support.fault_proxy import CutAnswer, Exchange, Silence
from tests.support.screen import screen
from tests.support.terminal import MIB, PART_SIZE, Terminal

import uploadsvc

SIZE = 12 * MIB
SOURCES = str(Path(uploadsvc.__file__).parents[1])
TREE = {"trip/a.jpg": b"a", "trip/2026/b.jpg": b"bb", "trip/2026/b.txt": b"text", "trip/drafts/c.jpg": b"ccc"}


@pytest.fixture
def tree(term: Terminal) -> Path:
    """Make a folder with files."""
    make(term.directory)
    return term.directory / "trip"


def make(directory: Path) -> None:
    for name, content in TREE.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def files_in(directory: Path) -> Mapping[str, bytes]:
    found = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


async def test_a_folder_goes_and_comes_back(term: Terminal, tree: Path) -> None:
    """Listed, downloaded as it was, and deleted."""
    assert (await term.run(tree, "--policy", "keys")).status == 0
    listed = await term.run(command="ls")
    keys = [f"uploads/{term.user}/{name}" for name in sorted(TREE)]
    assert (listed.status, listed.out.splitlines(), listed.err) == (0, keys, "")
    some = await term.run("trip/2026/", "--json", command="ls")
    assert [(line["key"], line["size"]) for line in some.lines] == [(keys[0], 2), (keys[1], 4)]
    assert (await term.run(f"uploads/{term.user}/trip/2026", "-l", command="ls")).err == (
        "uploadsvc: 2 objects, 6 B\n"
    )
    assert (await term.run("none/", command="ls")).out == ""

    back = term.directory / "back"
    got = await term.run("-r", "trip/", "--to", back, "--json", command="get")
    assert got.status == 0, got
    assert files_in(back) == TREE
    assert sorted(line["key"] for line in got.lines) == keys
    assert {line["file"] for line in got.lines} == {str(back / name) for name in TREE}

    refused = await term.run("-r", "trip/2026", command="rm")
    assert refused.status == 2
    assert "--yes" in refused.err
    assert sorted(await term.stored()) == keys
    gone = await term.run("-r", "trip/2026", "--yes", command="rm")
    assert gone.status == 0
    assert sorted(gone.out.splitlines()) == [f"deleted {key}" for key in keys[:2]]
    assert sorted(await term.stored()) == keys[2:]
    again = await term.run("trip/a.jpg", "trip/2026/b.jpg", "--json", command="rm")
    assert again.status == 1
    assert again.lines == [
        {
            "key": "trip/2026/b.jpg",
            "problem": {"code": "not_found", "detail": again.lines[0]["problem"]["detail"]},
        },
        {"key": keys[2], "deleted": True},
    ]


async def test_a_download_goes_on(term: Terminal) -> None:
    """A line that breaks costs what it did not bring; Ctrl-C, and the same command has the rest."""
    path = term.file(SIZE)
    key = (await term.run(path, "--json")).lines[0]["key"]
    term.proxy.exchanges.clear()
    held = asyncio.Event()

    def broken(exchange: Exchange) -> CutAnswer | Silence | None:
        if exchange.method != "GET":
            return None
        if not term.proxy.sent("GET"):
            return CutAnswer(after=MIB)
        held.set()
        return Silence(until=asyncio.Event())

    term.proxy.rule = broken
    out = term.directory / "out.mp4"
    async with term.started(key, "--to", out, command="get") as running:
        await held.wait()
        stopped = await term.ended(running, signal.SIGINT)
    assert stopped.status == 130
    assert stopped.err.splitlines()[-1] == "uploadsvc: paused; run the same command to resume"
    assert out.name not in files_in(term.directory)
    await term.proxy.break_connections()
    term.proxy.rule = lambda _: None
    done = await term.run(key, "--to", out, command="get")
    assert done.status == 0, done
    found = files_in(term.directory)
    assert found[out.name] == found[path.name]
    assert not [name for name in found if ".uploadsvc-" in name]
    first, *others = term.proxy.sent("GET")
    assert "range" not in first.headers
    assert len({one.headers["range"] for one in others}) == 1
    assert others[0].headers["range"] != "bytes=0-"
    assert len(others) == 2


async def test_standard_output_has_the_object_alone(term: Terminal) -> None:
    """Byte for byte, also after a line that broke; a reader that has had enough is no error to explain."""
    path = term.file(SIZE)
    key = (await term.run(path, "--json")).lines[0]["key"]
    term.proxy.exchanges.clear()
    term.proxy.rule = lambda one: (
        CutAnswer(after=MIB) if one.method == "GET" and not term.proxy.sent("GET") else None
    )
    status, out, err = await term.piped(b"", "get", key, "--to", "-")
    assert (status, err) == (0, "")
    assert out == await asyncio.to_thread(path.read_bytes)
    assert len(term.proxy.sent("GET")) == 2


async def test_a_pipe_is_uploaded(term: Terminal) -> None:
    """Small and in parts, with a name and the type of the name; what is in a file, from where it is."""
    text = "né\n".encode()
    for content in (b"", text, bytes(SIZE)):
        arguments = ("upload", "-", "--name", "notes.txt", "--policy", "default", "--json")
        status, out, err = await term.piped(content, *arguments)
        assert (status, err) == (0, ""), err
        key = json.loads(out)["key"]
        assert key.endswith("/notes.txt")
        assert await term.content(key) == content
        if content == text:
            async with term.server.client() as witness:
                head = await witness.head_object(Bucket=term.server.bucket, Key=key)
            assert head["ContentType"] == "text/plain; charset=utf-8"
    assert not await asyncio.to_thread(term.states.exists)


async def test_a_pipe_that_is_stopped_leaves_nothing(term: Terminal) -> None:
    """Nobody can send the same bytes again, so its parts are given back; and no thread waits for more."""

    def interview() -> None:
        with screen(
            "upload", "-", "--name", "a.txt", directory=term.directory, environment=term.environment
        ) as shown:
            shown.until("Ctrl-D ends it")
            shown.type("some text\n")
            shown.type("\x03")
            assert shown.ended() == 130
            assert "stopped; nothing is stored" in shown.shown

    await asyncio.to_thread(interview)
    assert await term.stored() == []
    assert await term.unfinished() == 0


async def test_parts_of_a_pipe_that_is_stopped_are_given_back(term: Terminal) -> None:
    """They cost money."""
    held = asyncio.Event()

    def hold(exchange: Exchange) -> Silence | None:
        if exchange.part_number != 2:
            return None
        held.set()
        return Silence(until=asyncio.Event())

    term.proxy.rule = hold
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uploadsvc", "upload", "-", "--name", "a.bin"),
        cwd=term.directory,
        env={**os.environ, **term.environment, "PYTHONPATH": SOURCES},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(bytes(SIZE))
    process.stdin.close()
    await held.wait()
    assert await term.unfinished() == 1
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    assert (process.returncode, out) == (130, b"")
    assert err == b"uploadsvc: stopped; nothing is stored\n"
    assert await term.unfinished() == 0


async def test_patterns_and_filters(term: Terminal, tree: Path) -> None:
    """The shell need not know `**`; files keep their places."""
    done = await term.run(f"{tree}/**/*.jpg", "--exclude", "drafts", "--policy", "keys")
    assert done.status == 0, done
    start = f"uploads/{term.user}/trip"
    assert sorted(await term.stored()) == [f"{start}/2026/b.jpg", f"{start}/a.jpg"]
    done = await term.run(tree, "--include", "*.txt", "--policy", "keys", "--json")
    assert [line["key"] for line in done.lines] == [f"{start}/2026/b.txt"]
    nothing = await term.run(tree, "--include", "*.png")
    assert (nothing.status, nothing.err) == (0, "uploadsvc: there is nothing to upload\n")
    nothing = await term.run(f"{tree}/**/*.png", "--json")
    assert nothing.lines[0]["problem"]["code"] == "file_not_found"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("upload", "-"), "--name is needed"),
        (("upload", "-", "a", "--name", "b"), "must be the only file"),
        (("upload", "a", "b", "--name", "c"), "a single file"),
        (("get", "a", "b", "--to", "-"), "a single object"),
        (("get", "a", "--to", ""), "must not be empty"),
        (("get",), "Missing argument"),
        (("rm", "-r", ""), "a key is empty"),
        (("rm",), "Missing argument"),
        (("ls", "--limit", "0"), "--limit"),
        (("ls", "a", "b"), "unexpected extra argument"),
    ],
)
async def test_nonsense_is_wrong_usage(term: Terminal, arguments: tuple[str, ...], said: str) -> None:
    """Told before anything is sent."""
    done = await term.run(*arguments[1:], command=arguments[0], TERM="dumb")
    assert done.status == 2
    assert said in " ".join(done.err.replace("│", " ").split())
    assert term.line.exchanges == []


@pytest.mark.parametrize("command", ["ls", "get", "rm"])
async def test_a_problem_is_one_line(term: Terminal, command: str) -> None:
    """In the words of the service, or about the line to it."""
    arguments = () if command == "ls" else ("none",)
    done = await term.run(*arguments, command=command, UPLOADSVC_TOKEN="nonsense")
    assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
    assert "nonsense" not in done.err
    done = await term.run(
        *arguments, "--retries", 0, "--json", command=command, UPLOADSVC_URL="http://127.0.0.1:9"
    )
    assert done.status == 1
    assert done.lines[0]["problem"]["code"] == "network_error"


async def test_a_person_is_asked_before_anything_is_deleted(term: Terminal) -> None:
    """Only yes is a yes; Ctrl-C is none."""
    key = (await term.run(term.file(10), "--json")).lines[0]["key"]

    def answer(typed: str) -> tuple[int, str]:
        with screen("rm", key, directory=term.directory, environment=term.environment) as shown:
            shown.until("[y/N]")
            shown.type(typed)
            return shown.ended(), shown.shown

    for typed, status in (("\n", 1), ("n\n", 1), ("\x04", 1), ("\x03", 130)):
        ended, shown = await asyncio.to_thread(answer, typed)
        assert (ended, await term.stored()) == (status, [key]), shown
        assert "(10 B)?" in shown.replace("\r\n", "")
    assert (await asyncio.to_thread(answer, "y\n"))[0] == 0
    assert await term.stored() == []


async def test_many_files_have_one_bar(term: Terminal) -> None:
    """Each line fits the terminal; at the end, a line has the total."""
    names = [f"{'long name ' * 12}{number}.bin" for number in range(6)]
    for name in names:
        term.file(2 * PART_SIZE if name == names[0] else 10, name)

    def upload() -> str:
        with screen("upload", *names, directory=term.directory, environment=term.environment) as shown:
            assert shown.ended() == 0
            return shown.shown

    shown = await asyncio.to_thread(upload)
    assert "all files 6/6" in shown
    assert "uploadsvc: 6 of 6 done" in shown
    assert len(await term.stored()) == 6


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        # Whoever reads has had enough.
        ("ls | true", {"0", "141"}, ""),
        ("get {key} --to - | head -c 10 >/dev/null", {"141"}, ""),
        ("get {key} --to - >/dev/full", {"1"}, "cannot write the output: No space left on device"),
        ("ls >/dev/full", {"1"}, "cannot write the output: No space left on device"),
        ("ls >&-", {"1"}, "cannot write the output: Bad file descriptor"),
        ("get {key} --to - >&-", {"1"}, "cannot write the output: Bad file descriptor"),
        ("get {key} <&- 2>&-", {"0"}, ""),
        ("--version >&-", {"1"}, "cannot write the output: Bad file descriptor"),
        ("get {key} --to /dev/full/a", {"1"}, "The file cannot be written: Not a directory."),
        ("get {key} --to .", {"0"}, ""),
    ],
)
async def test_output_that_cannot_be_written(term: Terminal, line: str, status: set[str], said: str) -> None:
    """At most one line, and no trace of Python."""
    key = (await term.run(term.file(SIZE), "--json")).lines[0]["key"]
    (term.directory / "film.mp4").unlink()
    command = f"{sys.executable} -m uploadsvc {line.format(key=key)}; echo ${{PIPESTATUS[0]}} >&2"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", command),
        cwd=term.directory,
        env={**os.environ, **term.environment, "PYTHONPATH": SOURCES},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    *lines, last = err.decode().splitlines()
    assert last in status, err
    assert len(lines) == bool(said), lines
    assert said in "".join(lines)
