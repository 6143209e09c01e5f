"""The ledger in memory, against its model and its limits of memory."""

import asyncio
from datetime import timedelta

from tests.support.fakes import NOON
from tests.support.ledger_machine import LedgerMachine, run_machine

from uploadsvc.domain.quotas import Excess, Quota, Wanted
from uploadsvc.limiting.local_quotas import LocalLedger

TEN = Quota(daily_bytes=10)


def test_any_steps_leave_what_the_definition_says() -> None:
    with asyncio.Runner() as runner:
        run_machine(lambda: LedgerMachine(runner.run, [LocalLedger()], "account"), times=2)


async def test_accounts_are_counted_apart() -> None:
    ledger = LocalLedger()
    for account in ("one", "two"):
        assert await ledger.reserve(account, TEN, [Wanted("a", 10)], now=NOON) == [None]
        (excess,) = await ledger.reserve(account, TEN, [Wanted("b", 1)], now=NOON)
        assert excess == Excess("bytes_per_day", 0, int((NOON + timedelta(hours=12)).timestamp()))


async def test_uploads_beyond_those_remembered_are_counted_in_full() -> None:
    ledger = LocalLedger(max_entries=1)
    await ledger.reserve("a", TEN, [Wanted("one", 4), Wanted("two", 4)], now=NOON)
    await ledger.settle("a", "one", 1, now=NOON)
    await ledger.settle("a", "two", 1, now=NOON)
    (excess,) = await ledger.reserve("a", TEN, [Wanted("three", 6)], now=NOON)
    assert excess is not None
    assert excess.left == 10 - 1 - 4


async def test_memory_is_bounded_and_the_least_recent_account_is_forgotten() -> None:
    ledger = LocalLedger(max_accounts=3, max_remembered=5)
    for number in range(20):
        await ledger.reserve(f"account {number}", TEN, [Wanted("a", 5)], now=NOON)
        await ledger.reserve("busy", TEN, [Wanted("b", 10)], now=NOON)
    assert len(ledger) == 3
    many = [Wanted(f"upload {number}", 0) for number in range(9)]
    await ledger.reserve("busy", TEN, many[:3], now=NOON)
    assert (await ledger.reserve("busy", TEN, [Wanted("c", 1)], now=NOON))[0] is not None
    await ledger.reserve("other", TEN, many[:3], now=NOON)
    assert len(ledger) == 1


async def test_an_account_of_which_nothing_is_left_is_forgotten() -> None:
    ledger = LocalLedger()
    await ledger.reserve("a", TEN, [Wanted("one", 4)], now=NOON)
    await ledger.release("a", ["one"], now=NOON, begun=False)
    await ledger.settle("b", "unknown", 4, now=NOON)
    assert len(ledger) == 0


async def test_bytes_that_come_after_a_release_count() -> None:
    # A slow PUT can outlive its URL: otherwise cancelling it meanwhile would make it free.
    ledger = LocalLedger()
    await ledger.reserve("a", TEN, [Wanted("one", 6)], now=NOON)
    await ledger.release("a", ["one"], now=NOON)
    await ledger.settle("a", "one", 6, now=NOON)
    (excess,) = await ledger.reserve("a", TEN, [Wanted("two", 5)], now=NOON)
    assert excess is not None
    assert excess.left == 4
