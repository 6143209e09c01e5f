"""Files arrive, byte for byte, by each method, on real S3 servers."""

import asyncio
import base64
import hashlib
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from tests.support.fault_proxy import SLOW_DOWN
from tests.support.servers import S3Server
from tests.support.service import token_for
from tests.support.terminal import API_KEY, MIB, PART_SIZE, POLICIES, Terminal, terminal


async def test_a_large_file_arrives_in_parts(any_term: Terminal) -> None:
    """30 MB in six parts, each sent once; the result is the service's own."""
    term = any_term
    path = term.file(30_000_000)
    done = await term.run("--json", path)
    assert (done.status, done.err) == (0, "")
    (line,) = done.lines
    assert set(line) == {"file", "key", "size", "etag", "receipt"}
    assert (line["file"], line["size"]) == (str(path), 30_000_000)
    assert line["receipt"].count(".") == 2
    assert await term.content(line["key"]) == path.read_bytes()
    assert term.proxy.stored_parts() == list(range(1, 7))
    assert await term.unfinished() == 0
    assert list(term.states.iterdir()) == []


async def test_no_more_parts_than_asked_for_are_on_their_way(term: Terminal) -> None:
    """``--parallel`` bounds the requests of all files together."""
    most = 0

    def watch(_: object) -> None:
        nonlocal most
        most = max(most, 1 + sum(not one.over for one in term.proxy.exchanges))

    term.proxy.rule = watch
    paths = [term.file(12 * MIB, name) for name in ("a.bin", "b.bin")]
    done = await term.run("--parallel", 3, "--json", *paths)
    assert (done.status, len(done.lines)) == (0, 2), done
    # An exchange is over a moment after its answer.
    assert 2 <= most <= 4


@pytest.mark.parametrize("policy", ["default", "forms"])
@pytest.mark.parametrize("size", [0, 1, 300_000, PART_SIZE])
async def test_a_small_file_goes_by_one_request(term: Terminal, policy: str, size: int) -> None:
    """An empty one too; by PUT, or by a form where the policy wants one."""
    path = term.file(size, "né\n[b].bin")
    done = await term.run(path, "--policy", policy, "--json")
    assert (done.status, done.err) == (0, "")
    assert await term.content(done.lines[0]["key"]) == path.read_bytes()
    assert [one.method for one in term.proxy.exchanges] == [{"default": "PUT", "forms": "POST"}[policy]]
    # One call before the bytes and one after.
    assert [one.method for one in term.line.exchanges] == ["POST", "POST"]


@pytest.mark.parametrize("policy", ["default", "forms"])
async def test_an_empty_file_and_one_of_many_parts_at_once(term: Terminal, policy: str) -> None:
    """Several files; one named twice is sent once."""
    paths = [term.file(size, f"{size}.bin") for size in (0, 12 * MIB, 77)]
    done = await term.run(*paths, paths[0].parent / "." / paths[0].name, "--policy", policy, "--json")
    assert done.status == 0, done
    assert sorted(line["size"] for line in done.lines) == [0, 77, 12 * MIB]
    for line in done.lines:
        assert await term.content(line["key"]) == (term.directory / line["file"]).read_bytes()


@pytest.mark.parametrize("size", [1000, 12 * MIB])
@pytest.mark.parametrize("algorithm", ["sha256", "crc32"])
async def test_a_checksum_is_compared_by_s3(localstack_term: Terminal, algorithm: str, size: int) -> None:
    """Of the whole, or of each part; what fails on its way is signed again with its checksum."""
    term = localstack_term
    term.proxy.rule = lambda _: SLOW_DOWN if len(term.proxy.exchanges) == 0 else None
    path = term.file(size)
    done = await term.run(path, "--checksum", algorithm, "--json")
    assert done.status == 0, done
    assert await term.content(done.lines[0]["key"]) == path.read_bytes()
    header = f"x-amz-checksum-{algorithm}"
    assert all(header in one.headers for one in term.proxy.sent())
    if size == 1000 and algorithm == "sha256":
        digest = base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
        assert term.proxy.sent()[-1].headers[header] == digest


async def test_a_sha256_goes_whole_where_parts_cannot_have_one(term: Terminal) -> None:
    """SeaweedFS compares it, but not in parts."""
    path = term.file(12 * MIB)
    done = await term.run(path, "--checksum", "sha256", "--json")
    assert done.status == 0, done
    assert [one.part_number for one in term.proxy.sent()] == [None]


async def test_what_is_asked_for_is_stored(term: Terminal) -> None:
    """Metadata, type, key, and for whom."""
    path = term.file(100, "note.bin")
    as_text = ("--policy", "notes", "--content-type", "text/plain", "--metadata", "note=a=b")
    done = await term.run(path, *as_text, "--json", "--on-behalf-of", "Zoë / 7", UPLOADSVC_API_KEY=API_KEY)
    assert done.status == 0, done
    assert done.lines[0]["key"].startswith("uploads/Zo=C3=AB=20=2F=207/")
    async with term.server.client() as witness:
        found = await witness.head_object(Bucket=term.server.bucket, Key=done.lines[0]["key"])
    assert (found["ContentType"], found["Metadata"]) == ("text/plain", {"note": "a=b"})


async def test_a_key_is_taken_once_unless_overwriting(term: Terminal) -> None:
    """Of one request, and in parts; what is there is told from a lost answer."""
    for size in (10, 6 * MIB):
        key = f"{size}.bin"
        first, second = term.file(size, f"first-{size}"), term.file(size, f"second-{size}")
        asked = ("--policy", "keys", "--relative-key", key, "--json")
        done = await term.run(first, *asked, "--no-overwrite")
        assert done.lines[0]["key"] == f"uploads/{term.user}/{key}", done
        refused = await term.run(second, *asked, "--no-overwrite")
        assert (refused.status, refused.lines[0]["problem"]["code"]) == (1, "object_exists")
        assert await term.content(f"uploads/{term.user}/{key}") == first.read_bytes()
        assert (await term.run(second, *asked, "--overwrite")).status == 0
        assert await term.content(f"uploads/{term.user}/{key}") == second.read_bytes()


async def test_folders_keep_their_structure(term: Terminal) -> None:
    """Below a key of one's own choice, or the folder's name. Links to folders are not followed."""
    folder = term.directory / "Ferien é"
    (folder / "2026" / "leer").mkdir(parents=True)
    for name in ("a.bin", "2026/a.bin", "2026/b\\c.bin"):
        (folder / name).write_bytes(name.encode())
    (folder / "again").symlink_to(folder)
    keys = {"a.bin": "a.bin", "2026/a.bin": "2026/a.bin", "2026/b\\c.bin": "2026/b_c.bin"}
    for start, options in (("Ferien é", ()), ("x/y", ("--relative-key", "x/y"))):
        done = await term.run("--json", "--policy", "keys", folder, *options)
        assert (done.status, done.err) == (0, ""), done
        found = {line["file"]: line["key"] for line in done.lines}
        assert found == {f"{folder}/{n}": f"uploads/{term.user}/{start}/{k}" for n, k in keys.items()}
        for name in keys:
            assert await term.content(found[f"{folder}/{name}"]) == name.encode()


async def test_no_file_replaces_another_of_the_same_command(term: Terminal) -> None:
    """Names that differ can give one key. The first file has it, also when the command is repeated."""
    folders = [term.directory / "one" / "photos", term.directory / "two" / "photos"]
    names = ["a\tb", "a_b", "cafe\u0301", "caf\xe9", os.fsdecode(b"bad\xfe"), os.fsdecode(b"bad\xff")]
    for folder, names_in_it in zip(folders, (names, ["a_b"]), strict=True):
        folder.mkdir(parents=True)
        for name in names_in_it:
            (folder / name).write_bytes(os.fsencode(folder / name))
    command = ("--json", "--policy", "keys", *folders)
    for _ in range(2):
        done = await term.run(*command)
        assert done.status == 1, done
        stored = {line["key"]: line["file"] for line in done.lines if "key" in line}
        problems = {line["file"]: line["problem"]["code"] for line in done.lines if "problem" in line}
        assert sorted(stored) == [
            f"uploads/{term.user}/photos/{name}" for name in ("a_b", "bad\ufffd", "caf\xe9")
        ]
        assert list(problems.values()) == ["object_exists"] * 4
        assert str(folders[1] / "a_b") in problems
        for key, file in stored.items():
            assert await term.content(key) == os.fsencode(file)


@pytest.mark.parametrize("size", [10, 6 * MIB])
async def test_no_file_replaces_another_under_a_key_that_the_policy_makes(
    seaweedfs: S3Server, tmp_path: Path, size: int
) -> None:
    """Only the service knows whether a policy gives two files one key."""
    names = {**POLICIES["keys"], "client_keys": False, "key": "{path}{filename}"}
    async with terminal(seaweedfs, tmp_path, keys={}, names=names) as term:
        for folder in ("one/photos", "two/photos"):
            (tmp_path / folder).mkdir(parents=True)
        files = {str(path): path for path in (term.file(size, f"{n}/photos/a.bin") for n in ("one", "two"))}
        contents = {name: path.read_bytes() for name, path in files.items()}
        for _ in range(2):
            done = await term.run("--json", "--policy", "names", *(path.parent for path in files.values()))
            assert done.status == 1, done
            (stored,) = [line for line in done.lines if "key" in line]
            (problem,) = [line for line in done.lines if "problem" in line]
            assert problem["problem"]["code"] == "object_exists"
            assert await term.content(stored["key"]) == contents[stored["file"]]
            assert await term.unfinished() == 0


async def test_folders_are_kept_in_keys_that_the_policy_makes(term: Terminal) -> None:
    """Of small files and of those in parts. A key that the caller chooses is still refused."""
    folder = term.directory / "photos"
    contents = {"a/film.bin": b"a" * 6 * MIB, "b/film.bin": b"b", "b\\c/film.bin": b"c"}
    for place, content in contents.items():
        (folder / place).parent.mkdir(parents=True)
        (folder / place).write_bytes(content)
    done = await term.run("--json", "--policy", "paths", folder, term.file(1, "alone.bin"))
    assert (done.status, done.err) == (0, ""), done
    kept = {line["key"].split("/", 3)[3]: line["key"] for line in done.lines}
    assert kept.pop("alone.bin")
    assert kept.keys() == {f"photos/{place}".replace("\\", "_") for place in contents}
    for place, content in contents.items():
        assert await term.content(kept[f"photos/{place}".replace("\\", "_")]) == content
    refused = await term.run("--json", "--policy", "paths", folder, "--relative-key", "x")
    assert {line["problem"]["code"] for line in refused.lines} == {"forbidden"}


async def test_a_policy_that_chooses_keys_takes_the_files_of_folders(term: Terminal) -> None:
    """The client says that folders are lost. Files named beside the folder are uploaded too."""
    folder = term.directory / "photos"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"a")
    done = await term.run(folder, folder / "a.bin", term.file(1, "b.bin"))
    assert done.status == 0, done
    assert done.err == "uploadsvc: the policy chooses the keys, so folders are not kept\n"
    assert sorted(key.rpartition("/")[2] for key in await term.stored()) == ["a.bin", "b.bin"]


@pytest.mark.parametrize(
    ("content", "name", "content_type"),
    [
        ("Grüße".encode(), "note.TXT", "text/plain; charset=utf-8"),
        ("Grüße".encode("latin-1"), "note.txt", "text/plain"),
        ("Grüße".encode()[:3], "note.csv", "text/csv"),
        (b"hello", "note.txt", "text/plain"),
        # SeaweedFS keeps this name of the type.
        ("Grüße".encode(), "note.bin", "binary/octet-stream"),
    ],
)
async def test_utf8_text_gets_a_charset(term: Terminal, content: bytes, name: str, content_type: str) -> None:
    """Only if it is UTF-8 and not ASCII. Other bytes are left as they are."""
    path = term.directory / name
    path.write_bytes(content)
    done = await term.run("--json", path)
    assert done.status == 0, done
    async with term.server.client() as witness:
        found = await witness.head_object(Bucket=term.server.bucket, Key=done.lines[0]["key"])
    assert found["ContentType"] == content_type


async def test_a_name_that_is_no_unicode(term: Terminal) -> None:
    """File systems have such; it is made safe on its way, and shown so that a terminal obeys nothing."""
    name = os.fsdecode(b"a\xff\x1b[31m.bin")
    path = term.file(3, name)
    done = await term.run(path, "--json")
    assert done.status == 0, done
    assert done.lines[0]["file"] == str(path)
    shown = await term.run(path)
    assert shown.status == 0
    assert "\\x1b[31m" in shown.out
    assert "\x1b" not in shown.out


@pytest.mark.parametrize("arguments", [("./-",), (".", "--include", "-"), ("?",)])
async def test_a_file_can_have_the_name_of_standard_input(term: Terminal, arguments: tuple[str, ...]) -> None:
    (term.directory / "-").write_bytes(b"file")
    status, _, err = await term.piped(b"standard input", "upload", *arguments)
    assert status == 0, err
    (key,) = await term.stored()
    assert await term.content(key) == b"file"


async def test_the_token_is_renewed(term: Terminal) -> None:
    """A command that prints one is run again when the service no longer takes the last."""
    script = term.directory / "token.sh"
    tokens = [token_for(term.user, expires_in=-60), term.token]
    (term.directory / "tokens").write_text("\n".join(tokens) + "\n")
    script.write_text('head -n 1 "$1"; sed -i 1d "$1"\n')
    command = f"sh '{script}' '{term.directory / 'tokens'}'"
    done = await term.run(term.file(10), "--token-command", command, "--json", UPLOADSVC_TOKEN="")
    assert done.status == 0, done
    assert [one.status for one in term.line.exchanges] == [401, 201, 200]
    assert (term.directory / "tokens").read_text() == ""


async def test_the_token_may_be_in_a_file(term: Terminal) -> None:
    """A line break at its end is none of it."""
    holder = term.directory / "token"
    holder.write_text(term.token + "\n")
    done = await term.run(term.file(10), "--token-file", holder, "--json", UPLOADSVC_TOKEN="")
    assert done.status == 0, done


async def test_the_token_may_come_from_a_pipe(term: Terminal) -> None:
    """As a shell gives it for `<(command)`, in pieces."""
    shell = '{ printf %s "${TOKEN:0:20}"; printf "%s\\n" "${TOKEN:20}"; }'
    command = f'"$0" -m uploadsvc upload --json --token-file <({shell}) "$1"'
    environment = {**os.environ, **term.environment, "TOKEN": term.token, "UPLOADSVC_TOKEN": ""}
    done = await asyncio.create_subprocess_exec(
        "bash", "-c", command, sys.executable, term.file(10), env=environment, stdout=PIPE
    )
    printed, _ = await done.communicate()
    assert done.returncode == 0, printed


@pytest.mark.parametrize(
    ("source", "given"),
    [("file", "/dev/zero"), ("command", "cat /dev/zero"), ("command", "head -c 65537 /dev/zero")],
)
async def test_a_token_that_is_too_long(term: Terminal, source: str, given: str) -> None:
    done = await term.run(term.file(10), f"--token-{source}", given, UPLOADSVC_TOKEN="")
    assert done.status == 1
    assert f"token {source} is longer than 64 KiB" in done.err
