"""Quotas in a real Valkey or Redis, shared by several processes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.fakes import NOON
from tests.support.ledger_machine import LedgerMachine, run_machine
from tests.support.valkey import ValkeyServer, valkey_server

from uploadsvc.domain.quotas import Excess, Quota, Wanted
from uploadsvc.limiting.quotas import SharedLedger
from uploadsvc.limiting.store import SharedStore, parse_store_url

# Its own limit would count steps alone, on a machine that has much else to do.
pytestmark = pytest.mark.usefixtures("patience")
PREFIX = "uploadsvc:quota"
MIDNIGHT = NOON + timedelta(hours=12)


@pytest.fixture
def patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the store all the time that it needs, but for tests of its absence."""
    if "down" not in request.node.name:
        monkeypatch.setattr("uploadsvc.limiting.store.DEADLINE", 30.0)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ValkeyServer]:
    """Run a server."""
    async with valkey_server(tmp_path) as server:
        yield server


@asynccontextmanager
async def processes(
    server: ValkeyServer, count: int, *, on_change: Callable[[bool], None] = lambda _: None
) -> AsyncIterator[list[SharedLedger]]:
    """Give the ledgers of several processes."""
    async with AsyncExitStack() as stack:
        ledgers = []
        for _ in range(count):
            store = SharedStore(parse_store_url(server.url), on_failure=lambda: None, on_change=on_change)
            ledgers.append(SharedLedger(await stack.enter_async_context(store), prefix=PREFIX))
        yield ledgers


@asynccontextmanager
async def raw(server: ValkeyServer) -> AsyncIterator[SharedStore]:
    """Give the store itself, to look into."""
    async with SharedStore(
        parse_store_url(server.url), on_failure=lambda: None, on_change=lambda _: None
    ) as store:
        yield store


def test_any_steps_of_several_processes_leave_what_the_definition_says(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        stack, number = AsyncExitStack(), iter(range(10**6))
        server = runner.run(stack.enter_async_context(valkey_server(tmp_path)))
        ledgers = runner.run(stack.enter_async_context(processes(server, 3)))
        run_machine(lambda: LedgerMachine(runner.run, ledgers, f"account {next(number)}"), times=1)
        runner.run(stack.aclose())


@pytest.mark.parametrize("crashes", [False, True])
async def test_concurrent_reservations_never_exceed_the_quota(server: ValkeyServer, *, crashes: bool) -> None:
    quota = Quota(daily_bytes=1000, max_unfinished=40)
    async with processes(server, 4) as ledgers, asyncio.TaskGroup() as group:
        end = int(NOON.timestamp()) + 3600

        async def upload(number: int) -> bool:
            ledger = ledgers[number % len(ledgers)]
            name = f"{number:032x}"
            (excess,) = await ledger.reserve("a", quota, [Wanted(name, 10, end)], now=NOON)
            if excess is not None or (crashes and number % 3 == 0):
                return excess is None
            await ledger.settle("a", name, 7, now=NOON)
            await ledger.settle("a", name, 7, now=NOON)
            return True

        tasks = [group.create_task(upload(number)) for number in range(400)]
    fitted = [number for number, task in enumerate(tasks) if task.result()]
    crashed = [number for number in fitted if crashes and number % 3 == 0]
    used = 10 * len(crashed) + 7 * (len(fitted) - len(crashed))
    assert used <= 1000
    assert len(crashed) <= 40
    async with processes(server, 1) as (ledger,):
        probe = Wanted("f" * 32, 1001)
        (excess,) = await ledger.reserve("a", quota, [probe], now=NOON)
        assert excess == Excess("bytes_per_day", 1000 - used, None)
        # What crashed processes reserved ends with their uploads, and nobody has to look for it.
        (excess,) = await ledger.reserve("a", quota, [probe], now=NOON + timedelta(hours=1))
        assert excess is not None
        assert excess.left == 1000 - 7 * (len(fitted) - len(crashed))


async def test_every_key_ends_by_itself_and_names_nobody(server: ValkeyServer) -> None:
    quota = Quota(daily_bytes=100, max_unfinished=9)
    week = int((NOON + timedelta(days=7)).timestamp())
    async with processes(server, 1) as (ledger,), raw(server) as store:
        await ledger.reserve("a", quota, [Wanted("long", 1, week)], now=NOON)
        await ledger.name("a", "long", "s3", now=NOON)
        # A shorter one does not shorten what another needs.
        soon = int((NOON + timedelta(hours=1)).timestamp())
        await ledger.reserve("a", quota, [Wanted("short", 1, soon)], now=NOON)
        left = {key.decode(): await store.client.ttl(key) for key in await store.client.keys(f"{PREFIX}:*")}
    hour, day = 3600, 86_400
    assert {key: round(seconds, -1) for key, seconds in left.items()} == {
        f"{PREFIX}:{{a}}:20261123": 12 * hour + hour,
        f"{PREFIX}:{{a}}:open": 7 * day + hour,
        f"{PREFIX}:{{a}}:names": 7 * day + hour,
    }


async def test_a_batch_counts_its_own_uploads_and_leaves_no_names(server: ValkeyServer) -> None:
    quota, end = Quota(max_unfinished=2), int(MIDNIGHT.timestamp())
    async with processes(server, 1) as (ledger,), raw(server) as store:
        wanted = [Wanted(str(number), 1, end) for number in range(4)]
        excess = Excess("unfinished_uploads", 0, end)
        assert await ledger.reserve("a", quota, wanted, now=NOON) == [None, None, excess, excess]
        for number in range(4):
            await ledger.name("a", str(number), f"s3-{number}", now=NOON)
        assert await store.client.hlen(f"{PREFIX}:{{a}}:names") == 2  # type: ignore[misc] # valkey-py's own
        await ledger.settle("a", "0", 1, now=NOON)
        await ledger.release("a", ["1"], now=NOON)
        assert await store.client.keys(f"{PREFIX}:*") == []


async def test_large_sizes_are_counted_to_the_byte(server: ValkeyServer) -> None:
    quota = Quota(daily_bytes=2**50)
    async with processes(server, 1) as (ledger,):
        assert await ledger.reserve("a", quota, [Wanted("one", 2**50 - 1)], now=NOON) == [None]
        assert await ledger.reserve("a", quota, [Wanted("two", 1), Wanted("three", 1)], now=NOON) == [
            None,
            Excess("bytes_per_day", 0, int(MIDNIGHT.timestamp())),
        ]
        await ledger.settle("a", "one", 2**50 - 3, now=NOON)
        (excess,) = await ledger.reserve("a", quota, [Wanted("four", 3)], now=NOON)
        assert excess == Excess("bytes_per_day", 2, int(MIDNIGHT.timestamp()))


async def test_uploads_beyond_those_remembered_are_counted_in_full(server: ValkeyServer) -> None:
    async with raw(server) as store:
        ledger = SharedLedger(store, prefix=PREFIX, max_entries=1)
        quota = Quota(daily_bytes=10)
        await ledger.reserve("a", quota, [Wanted("one", 4), Wanted("two", 4)], now=NOON)
        await ledger.settle("a", "one", 1, now=NOON)
        await ledger.settle("a", "two", 1, now=NOON)
        (excess,) = await ledger.reserve("a", quota, [Wanted("three", 6)], now=NOON)
        assert excess is not None
        assert excess.left == 10 - 1 - 4


async def test_while_the_store_is_down_each_process_counts_alone_and_catches_up(server: ValkeyServer) -> None:
    quota, up = Quota(daily_bytes=100, max_unfinished=1), asyncio.Event()

    def changed(is_up: bool) -> None:  # noqa: FBT001 - the only argument
        up.set() if is_up else up.clear()

    end = int((NOON + timedelta(days=7)).timestamp())
    async with processes(server, 1, on_change=changed) as (ledger,):
        assert await ledger.reserve("a", quota, [Wanted("one", 90, end)], now=NOON) == [None]
        server.signal(19)
        try:
            # Nobody waits for it, and nobody is refused by what only the store knows.
            assert await ledger.reserve("a", quota, [Wanted("two", 60, end)], now=NOON) == [None]
            (excess,) = await ledger.reserve("a", quota, [Wanted("three", 60)], now=NOON)
            assert excess is not None
            assert excess.left == 40
            await ledger.settle("a", "one", 10, now=NOON)
        finally:
            server.signal(18)
        await asyncio.wait_for(up.wait(), 30)
        # The first call after it is back lets the missed steps run.
        (excess,) = await ledger.reserve("a", quota, [Wanted("four", 85, end)], now=NOON)
        assert excess is not None
        await ledger.settle_missed()
        assert await ledger.reserve("a", quota, [Wanted("four", 85, end)], now=NOON) == [None]
        (excess,) = await ledger.reserve("a", quota, [Wanted("five", 6)], now=NOON)
        assert excess is not None
        assert excess.left == 100 - 10 - 85
