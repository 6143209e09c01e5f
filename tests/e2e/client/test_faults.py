"""The file arrives despite busy servers, expired URLs and lost responses."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.fault_proxy import EXPIRED, SLOW_DOWN, Answer, Cut, Exchange, Fault, LoseAnswer, s3_error
from tests.support.servers import S3Server
from tests.support.terminal import MIB, Terminal, terminal

PARTS = 8
SIZE = 40_000_000
FAULTS = ["expired", "slow-down", "lost-answer", "cut"]


async def test_s3_is_busy_at_every_third_part(any_term: Terminal) -> None:
    """Every third request is answered by 503: it is sent again, and no other."""
    term = any_term
    path = term.file(SIZE)
    term.proxy.rule = lambda _: SLOW_DOWN if len(term.proxy.exchanges) % 3 == 2 else None
    done = await term.run("--json", path)
    assert (done.status, done.err) == (0, "")
    assert term.proxy.stored_parts() == list(range(1, PARTS + 1))
    refused = sum(one.status == 503 for one in term.proxy.exchanges)
    assert refused == len(term.proxy.exchanges) // 3 >= 3
    assert len(term.proxy.exchanges) == PARTS + refused
    # The URL is still good: nothing is signed again.
    assert [one.method for one in term.line.exchanges] == ["POST", "POST"]
    assert await term.content(done.lines[0]["key"]) == path.read_bytes()


@pytest.mark.parametrize(
    "fault",
    [
        EXPIRED,
        SLOW_DOWN,
        LoseAnswer(),
        Cut(after=MIB),
        s3_error(409, "OperationAborted", "A conflicting operation is in progress."),
        s3_error(400, "RequestTimeout", "Your socket connection was not read from."),
        Answer(status=429, headers={"Retry-After": "0"}),
        Answer(status=500),
    ],
    ids=["expired", "slow-down", "lost-answer", "cut", "conflict", "timeout", "too-many", "error"],
)
async def test_a_part_fails_once(term: Terminal, fault: Fault) -> None:
    """Whatever the reason, that part alone is sent again; where its URL has ended, by a fresh one."""
    faults = {2: fault}

    def rule(exchange: Exchange) -> Fault | None:
        return faults.pop(exchange.part_number or 0, None)

    term.proxy.rule = rule
    path = term.file(12 * MIB)
    done = await term.run("--json", path)
    assert (done.status, done.err) == (0, "")
    sent = sorted(one.part_number or 0 for one in term.proxy.sent())
    assert sent == [1, 2, 2, 3]
    calls = [one.target.rpartition("/")[2] for one in term.line.exchanges]
    assert calls == ["uploads", *(["parts"] if fault is EXPIRED else []), "complete"]
    assert await term.content(done.lines[0]["key"]) == path.read_bytes()


@pytest.mark.parametrize("size", [10, 12 * MIB])
async def test_urls_that_have_ended(s3: S3Server, tmp_path: Path, size: int) -> None:
    """Signed an hour ago: those of parts are not even tried; S3 itself refuses that of one request."""
    behind = timedelta(hours=1)
    async with terminal(s3, tmp_path, clock=lambda: datetime.now(UTC) - behind) as term:

        def rule(_: Exchange) -> None:
            nonlocal behind
            behind = timedelta(0) if term.line.exchanges else behind

        term.line.rule = rule
        path = term.file(size)
        done = await term.run("--json", path)
        assert done.status == 0, done
        assert await term.content(done.lines[0]["key"]) == path.read_bytes()
        if size == 10:
            assert [one.status for one in term.proxy.exchanges] == [403, 200]
            assert "starting over: S3 answered 403" in done.err
        else:
            assert [one.status for one in term.proxy.exchanges] == [200] * 3
            calls = [one.target.rpartition("/")[2] for one in term.line.exchanges]
            assert calls == ["uploads", "parts", "complete"]


async def test_a_refusal_that_stays_is_told(term: Terminal) -> None:
    """A fresh URL does not help: in S3's own words, and without the URL."""
    term.proxy.rule = lambda _: s3_error(403, "AccessDenied", "Access Denied")
    for size in (10, 12 * MIB):
        failed = await term.run("--no-progress", term.file(size, f"{size}.bin"))
        assert failed.status == 1
        assert failed.err.splitlines()[-1].endswith(": S3 answered 403 AccessDenied: Access Denied")
        assert "X-Amz-Signature" not in failed.err + failed.out
    # Three beginnings of the one, three URLs of the other's first parts.
    assert len([one for one in term.proxy.sent() if one.part_number is None]) == 3
    assert len([one for one in term.proxy.sent() if one.part_number == 1]) <= 3


@pytest.mark.parametrize("fault", [EXPIRED, SLOW_DOWN, LoseAnswer(), Cut(after=1)], ids=FAULTS)
@pytest.mark.parametrize("policy", ["default", "forms", "keys"])
async def test_one_request_fails_once(term: Terminal, policy: str, fault: Fault) -> None:
    """A lost answer to a PUT makes the next one meet its own object: completion decides (412)."""
    term.proxy.rule = lambda _: fault if not term.proxy.exchanges else None
    path = term.file(100_000)
    key = ("--relative-key", "once.bin", "--no-overwrite") if policy == "keys" else ()
    done = await term.run("--json", path, "--policy", policy, *key)
    assert done.status == 0, done
    assert await term.content(done.lines[0]["key"]) == path.read_bytes()
    assert len(term.proxy.exchanges) == 2
    if fault == LoseAnswer() and policy != "forms":
        assert term.proxy.exchanges[1].status == 412


async def test_a_part_that_s3_has_lost_is_sent_again(term: Terminal) -> None:
    """Completion says that parts are missing; status says which."""

    def pretend(exchange: Exchange) -> Fault | None:
        first = sum(one.part_number == 2 for one in term.proxy.exchanges) == 0
        return Answer(status=200, headers={"ETag": '"none"'}) if exchange.part_number == 2 and first else None

    term.proxy.rule = pretend
    path = term.file(12 * MIB)
    done = await term.run("--json", path)
    assert done.status == 0, done
    assert sorted(one.part_number or 0 for one in term.proxy.sent()) == [1, 2, 2, 3]
    assert await term.content(done.lines[0]["key"]) == path.read_bytes()


async def test_the_service_is_busy(term: Terminal) -> None:
    """Completion too is asked again, as are all calls."""
    body = b'{"code": "storage_unavailable", "detail": "S3 is still at it."}'
    busy = Answer(status=503, body=body, headers={"Retry-After": "1"})
    faults = [busy, None, busy, busy]
    term.line.rule = lambda _: faults.pop(0) if faults else None
    done = await term.run("--json", term.file(12 * MIB))
    assert (done.status, done.err) == (0, "")
    assert [one.status for one in term.line.exchanges] == [503, 201, 503, 503, 200]
