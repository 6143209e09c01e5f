"""A stopped upload resumes: only missing parts are sent."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.fault_proxy import Cut, Exchange, Fault, Hold, LoseAnswer
from tests.support.servers import S3Server
from tests.support.terminal import MIB, PART_SIZE, Result, Terminal, all_over, terminal

SIZE = 40_000_000
PARTS = 8
HALF = list(range(1, PARTS // 2 + 1))


def hold_later_parts(exchange: Exchange) -> Fault | None:
    """Let the first half through; of the others forward a megabyte, and no more."""
    number = exchange.part_number
    return Hold(until=asyncio.Event(), after=MIB) if number and number > HALF[-1] else None


async def stopped_at_half(term: Terminal, path: Path, number: int, *arguments: object) -> Result:
    """Run a command, and send it a signal once half of the parts are stored and others under way."""
    term.proxy.rule = hold_later_parts
    async with term.started("--json", path, *arguments) as running:
        await term.proxy.until(lambda: term.proxy.stored_parts() == HALF)
        await term.proxy.until(lambda: any(one.sent >= MIB for one in term.proxy.sent()[len(HALF) :]))
        result = await term.ended(running, number)
    term.proxy.rule = lambda _: None
    await term.proxy.break_connections()
    return result


def remembered(term: Terminal) -> dict[str, Any]:
    """Read the one state that there is."""
    (path,) = term.states.iterdir()
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
async def test_the_same_command_resumes(term: Terminal, number: signal.Signals) -> None:
    """Killed, or paused by Ctrl-C: the parts that S3 has are not sent again."""
    path = term.file(SIZE)
    stopped = await stopped_at_half(term, path, number)
    if number is signal.SIGKILL:
        assert stopped.status == -signal.SIGKILL
    else:
        assert stopped.status == 128 + number
        assert stopped.err == "uploadsvc: paused; run the same command to resume\n"
    assert stopped.out == ""
    (state,) = term.states.iterdir()
    assert state.stat().st_mode & 0o777 == 0o600
    assert state.parent.stat().st_mode & 0o777 == 0o700
    assert term.token.split(".")[0] not in state.read_text()

    before = len(term.proxy.exchanges)
    done = await term.run("--json", path)
    assert done.status == 0, done
    assert done.err == f"uploadsvc: {path}: resuming: 4 of 8 parts have arrived\n"
    sent = [one.part_number for one in term.proxy.exchanges[before:]]
    assert sorted(number or 0 for number in sent) == [n for n in range(1, PARTS + 1) if n not in HALF]
    assert term.proxy.stored_parts() == list(range(1, PARTS + 1))
    assert await term.content(done.lines[0]["key"]) == path.read_bytes()
    assert list(term.states.iterdir()) == []
    assert await term.unfinished() == 0


async def test_a_second_ctrl_c_does_not_wait(term: Terminal) -> None:
    """The first is on its way; the state is there all the same."""
    term.proxy.rule = hold_later_parts
    async with term.started(term.file(SIZE)) as running:
        await term.proxy.until(lambda: term.proxy.stored_parts() == HALF)
        running.process.send_signal(signal.SIGINT)
        running.process.send_signal(signal.SIGINT)
        assert await running.ended() in {-signal.SIGINT, 130}
    assert remembered(term)["url"] == term.url


async def test_a_dropped_connection_and_back(term: Terminal) -> None:
    """All connections break at half, and new ones for a while: the run itself goes on."""
    path, offline = term.file(SIZE), 5

    def bad_line(_: Exchange) -> Fault | None:
        nonlocal offline
        if term.proxy.stored_parts()[len(HALF) - 1 :] and offline:
            offline -= 1
            return Cut(after=offline * MIB // 2)
        return None

    term.proxy.rule = bad_line
    done = await term.run("--json", path)
    assert (done.status, done.err, offline) == (0, "", 0)
    assert term.proxy.stored_parts() == list(range(1, PARTS + 1))
    assert await term.content(done.lines[0]["key"]) == path.read_bytes()


async def test_the_service_is_away_for_a_while(term: Terminal) -> None:
    """At the start, and when the upload is to be completed; the answer of which is lost, too."""
    path, cuts = term.file(12 * MIB), [Cut(), None, Cut(), LoseAnswer()]
    term.line.rule = lambda _: cuts.pop(0) if cuts else None
    done = await term.run("--json", path)
    assert (done.status, done.err) == (0, "")
    assert [one.status for one in term.line.exchanges] == [0, 201, 0, 0, 200]
    assert await term.content(done.lines[0]["key"]) == path.read_bytes()


async def test_a_dead_connection_fails_after_the_retries(term: Terminal) -> None:
    """After so many retries, in one line; what has arrived is not lost."""
    path = term.file(12 * MIB)
    term.proxy.rule = lambda one: Cut() if one.part_number == 2 else None
    failed = await term.run("--retries", 1, path)
    assert failed.status == 1
    assert failed.err.startswith(f"uploadsvc: {path}: S3 at {term.proxy.url} cannot be reached: ")
    assert failed.err.count("\n") == 1
    await all_over(term.proxy)
    arrived = term.proxy.stored_parts()
    term.proxy.rule = lambda _: None
    done = await term.run(path)
    assert done.status == 0, done
    assert term.proxy.stored_parts() == [1, 2, 3]
    assert f"{len(arrived)} of 3 parts have arrived" in done.err


async def test_a_changed_file_starts_over(term: Terminal) -> None:
    """Its old parts are thrown away, not mixed with the new."""
    path = term.file(SIZE)
    await stopped_at_half(term, path, signal.SIGKILL)
    found = path.stat()
    with path.open("r+b") as file:
        file.write(b"changed")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    done = await term.run("--json", path)
    assert done.status == 0, done
    assert done.err == f"uploadsvc: {path}: starting over: the file changed after its upload was started\n"
    assert await term.content(done.lines[0]["key"]) == path.read_bytes()
    assert len(term.proxy.stored_parts()) == len(HALF) + PARTS
    assert await term.unfinished() == 0


@pytest.mark.parametrize(("policy", "size"), [("default", 100), ("forms", 100), ("default", 12 * MIB)])
async def test_a_file_that_changes_while_it_is_sent_is_not_stored(
    term: Terminal, policy: str, size: int
) -> None:
    """The bytes would be of no one state of it."""
    path = term.file(size)

    def change(_: Exchange) -> None:
        with path.open("r+b") as file:
            file.write(b"changed")
        os.utime(path, ns=(1, 1))

    term.proxy.rule = change
    failed = await term.run("--json", "--policy", policy, path)
    assert failed.status == 1
    assert failed.lines[0]["problem"]["code"] == "file_changed"
    assert await term.unfinished() == 0
    assert await term.stored() == []


async def test_a_changed_file_that_may_not_be_deleted_is_not_completed(
    seaweedfs: S3Server, tmp_path: Path
) -> None:
    """And the message says that it stays."""
    async with terminal(seaweedfs, tmp_path, delete=False) as term:
        path = term.file(100)

        def change(_: Exchange) -> None:
            # Without truncation: the client may be reading, and a shorter file is not sent at all.
            with path.open("r+b") as file:
                file.write(b"changed")
            os.utime(path, ns=(1, 1))

        term.proxy.rule = change
        failed = await term.run(path)
        assert failed.status == 1
        assert "without a receipt" in failed.err
        assert not any(one.target.endswith("/complete") for one in term.line.exchanges)


@pytest.mark.parametrize("size", [0, 100])
async def test_a_file_that_grows_is_not_truncated(term: Terminal, size: int) -> None:
    """It is written to its end after it was opened; an empty one is not stored as empty."""
    path = term.file(size)

    def grow(_: Exchange) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    term.proxy.rule = grow
    failed = await term.run("--json", path)
    assert (failed.status, failed.lines[0]["problem"]["code"]) == (1, "file_changed")
    assert await term.stored() == []


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="Linux has /proc")
async def test_a_file_with_a_wrong_size_is_not_sent(term: Terminal) -> None:
    """The system says that a file of /proc is empty, and makes its bytes when it is read."""
    failed = await term.run("--json", "/proc/version")
    assert (failed.status, failed.lines[0]["problem"]["code"]) == (1, "not_a_file")
    assert "upload a copy" in failed.lines[0]["problem"]["detail"]
    assert term.line.exchanges == []


async def test_a_file_that_becomes_shorter_is_not_stored(term: Terminal) -> None:
    """It ends amid a part."""
    path = term.file(SIZE)

    def shorten(_: Exchange) -> None:
        os.truncate(path, 1)

    term.proxy.rule = shorten
    failed = await term.run("--json", path)
    assert (failed.status, failed.lines[0]["problem"]["code"]) == (1, "file_changed")


async def test_a_vanished_upload_starts_over(term: Terminal) -> None:
    """Given up meanwhile, as the operator's lifecycle rule does."""
    path = term.file(12 * MIB)
    term.proxy.rule = lambda one: Hold(until=asyncio.Event()) if one.part_number == 3 else None
    async with term.started(path) as running:
        await term.proxy.until(lambda: term.proxy.stored_parts() == [1, 2])
        await term.ended(running, signal.SIGKILL)
    await term.proxy.break_connections()
    term.proxy.rule = lambda _: None
    async with httpx.AsyncClient(trust_env=False) as http:
        upload = f"{term.url}/v1/uploads/{remembered(term)['id']}"
        gone = await http.delete(upload, headers={"Authorization": f"Bearer {term.token}"})
    assert gone.status_code == 204
    done = await term.run("--json", path)
    assert done.status == 0, done
    assert "starting over: The earlier upload was aborted." in done.err
    assert await term.content(done.lines[0]["key"]) == path.read_bytes()


@pytest.mark.parametrize("change", [{"id": "bm9uZQ"}, {"version": 0}, {"fingerprint": 1}, None])
async def test_a_useless_state_file(term: Terminal, change: dict[str, Any] | None) -> None:
    """An id of another secret key, a state of another version or none at all: begun anew."""
    path = term.file(12 * MIB)
    await stopped_by_refusal(term, path)
    (state,) = term.states.iterdir()
    state.write_text("{" if change is None else json.dumps({**json.loads(state.read_text()), **change}))
    done = await term.run("--json", path)
    assert done.status == 0, done
    assert ("starting over" in done.err) == (change == {"id": "bm9uZQ"})
    assert await term.content(done.lines[0]["key"]) == path.read_bytes()


async def stopped_by_refusal(term: Terminal, path: Path) -> None:
    """Run a command that fails at its second part."""
    term.proxy.rule = lambda one: Cut() if one.part_number == 2 else None
    assert (await term.run("--retries", 0, path)).status == 1
    await all_over(term.proxy)
    term.proxy.rule = lambda _: None


async def test_other_options_are_another_upload(term: Terminal) -> None:
    """What was begun under one policy is not gone on with under another."""
    path = term.file(12 * MIB)
    await stopped_by_refusal(term, path)
    done = await term.run("--json", path, "--policy", "keys")
    assert (done.status, done.err) == (0, "")
    assert len(list(term.states.iterdir())) == 1


async def test_what_is_stored_is_not_sent_again_while_others_fail(term: Terminal) -> None:
    """The same command again tells the same, and tries the rest."""
    small, large = term.file(10, "small.bin"), term.file(12 * MIB, "large.bin")
    term.proxy.rule = lambda one: Cut() if one.part_number == 2 else None
    first = await term.run("--retries", 0, "--json", small, large)
    assert first.status == 1
    stored, failed = sorted(first.lines, key=lambda line: "problem" in line)
    assert failed["problem"]["code"] == "network_error"
    term.proxy.rule = lambda _: None
    second = await term.run("--json", small, large)
    assert second.status == 0, second
    assert f"{small}: stored already" in second.err
    again = next(line for line in second.lines if line["file"] == str(small))
    assert (again["key"], again["etag"]) == (stored["key"], stored["etag"])
    assert len([one for one in term.proxy.sent() if one.length == 10]) == 1
    third = await term.run("--json", small)
    assert third.lines[0]["key"] != stored["key"]


async def test_no_state_can_be_kept(term: Terminal) -> None:
    """It is said, and the file is uploaded all the same."""
    home = term.directory / "state"
    home.write_text("no directory")
    done = await term.run("--json", term.file(PART_SIZE), XDG_STATE_HOME=str(home))
    assert done.status == 0, done
    assert "the state file was not saved" in done.err
