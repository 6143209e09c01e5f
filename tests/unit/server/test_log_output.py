"""Log lines are written whole and in order, and dropped while nobody reads them."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from uploadsvc.server import log_output
from uploadsvc.server.log_output import LogOutput


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Provide a pipe; the test closes its writing end."""
    reads, writes = os.pipe()
    yield reads, writes
    os.close(reads)


def all_of(reads: int) -> str:
    """Read until the end."""
    with os.fdopen(os.dup(reads)) as stream:
        return stream.read()


def test_lines_keep_their_order(pipe: tuple[int, int]) -> None:
    reads, writes = pipe
    output = LogOutput(writes, dropped=str)
    lines = [f"line {number}\n" for number in range(100)]
    for line in lines:
        output.write(line)
    output.close()
    os.close(writes)
    assert all_of(reads) == "".join(lines)


def test_lines_are_dropped_and_counted_while_nobody_reads(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_output, "MAX_BYTES", 10_000)
    monkeypatch.setattr(log_output, "_CLOSING_SECONDS", 0.01)
    reads, writes = pipe
    os.set_blocking(writes, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writes, b"-" * 4095 + b"\n")
    os.set_blocking(writes, True)
    output = LogOutput(writes, dropped=lambda count: f"dropped {count}\n")
    for _ in range(10_000):
        output.write("a" * 99 + "\n")
    output.close()
    assert output._thread.is_alive(), "the pipe is full"
    found = os.read(reads, 65_536)
    while b"dropped" not in found:
        found += os.read(reads, 65_536)
    output._thread.join()
    os.close(writes)
    assert output.dropped_lines() > 5000
    lines = [line for line in (found.decode() + all_of(reads)).splitlines() if line[0] != "-"]
    (report,) = (line for line in lines if line.startswith("dropped"))
    assert len(lines) - 1 + int(report.split()[1]) == 10_000
    assert {len(line) for line in lines if line != report} == {99}


def test_a_reader_that_is_gone_stops_nothing(pipe: tuple[int, int]) -> None:
    reads, writes = pipe
    output = LogOutput(os.dup(writes), dropped=str)
    os.close(writes)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, reads)
    os.close(nothing)
    output.write("lost\n")
    output.write("lost\n")
    output.close()
    assert not output._thread.is_alive()


def test_a_line_that_cannot_be_made_is_counted_and_stops_nothing(pipe: tuple[int, int]) -> None:
    reads, writes = pipe
    output = LogOutput(writes, dropped=lambda count: f"dropped {count}\n")

    def broken() -> bytes:
        raise ZeroDivisionError

    output.write_later(broken)
    output.write_later(lambda: b"made\n")
    while output._lines:
        output._waiting.set()
    output.write("after\n")
    output.close()
    os.close(writes)
    assert sorted(all_of(reads).splitlines()) == ["after", "dropped 1", "made"]


def test_a_descriptor_that_does_not_block_loses_nothing(pipe: tuple[int, int]) -> None:
    """A program that shares the descriptor may have made it so; and its number may be high."""
    reads, low = pipe
    writes = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 1024)
    os.close(low)
    os.set_blocking(writes, False)
    output = LogOutput(writes, dropped=str)
    for number in range(3000):
        output.write(f"{number:0>99}\n")
    found = b""
    while found.count(b"\n") < 3000:
        found += os.read(reads, 65_536)
    output.close()
    os.close(writes)
    assert found.decode().splitlines() == [f"{number:0>99}" for number in range(3000)]
