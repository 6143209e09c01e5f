"""Credentials are renewed before they end, by one fetch at a time, without making callers wait."""

import asyncio
import gc
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.support.metrics import counts

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.endpoints import bucket_endpoint
from uploadsvc.domain.errors import StorageDenied, StorageMisconfigured, StorageUnavailable, UploadsvcError
from uploadsvc.s3.credentials import AHEAD, COLD_RETRY, EXPIRY_MARGIN, RETRY, CredentialSource
from uploadsvc.s3.presigner import Presigner
from uploadsvc.s3.storage import Storage
from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.telemetry.records import RequestRecord, current

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
LivesOrFault = timedelta | UploadsvcError | str | None


@dataclass(slots=True)
class Chain:
    """A chain that says what it is told to say, and remembers what it was asked.

    Attributes:
        now: The time, which only a test moves on.
        says: How long the next session lives; ``None`` for a key without an end; ``"same"`` for the last one
            again, ``"stretched"`` with a later end; an error to raise it.
        answers: Cleared to let questions hang.
        asked_at: When questions came.
        answered: When each was answered, and by what; ``None`` for an error.
        under_way: How many hang now.
        ends: When each session really ends, by its token.
    """

    now: datetime = NOON
    says: LivesOrFault = QUARTER
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    asked_at: list[datetime] = field(default_factory=list)
    answered: list[tuple[datetime, Credentials | None]] = field(default_factory=list)
    under_way: int = 0
    ends: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Answer, until told otherwise."""
        self.answers.set()

    def source(self, *, deadline: float = 60, patience: float = 60) -> CredentialSource:
        """Return a source that asks this chain."""
        return CredentialSource(self.fetch, clock=lambda: self.now, deadline=deadline, patience=patience)

    async def fetch(self) -> Credentials:
        """Give what was told."""
        self.asked_at.append(self.now)
        self.asked.set()
        self.under_way += 1
        assert self.under_way == 1
        try:
            await self.answers.wait()
        finally:
            self.under_way -= 1
        given_ = self._answer()
        self.answered.append((self.now, given_))
        if given_ is None:
            raise self.says if isinstance(self.says, UploadsvcError) else RuntimeError
        return given_

    def _answer(self) -> Credentials | None:
        last = next((given_ for _, given_ in reversed(self.answered) if given_), None)
        if isinstance(self.says, str) and last is not None:
            longer = last.expires_at and last.expires_at + QUARTER
            return last if self.says == "same" else replace(last, expires_at=longer)
        if isinstance(self.says, UploadsvcError | str):
            return None
        token = f"session-{len(self.answered)}"
        ends = None if self.says is None else self.now + self.says
        if ends is not None:
            self.ends[token] = ends
        return Credentials(
            access_key_id="ASIAEXAMPLE", secret_access_key="secret", session_token=token, expires_at=ends
        )

    def usable_until(self) -> datetime:
        """Return the end of what may be signed by the best of what was given."""
        ends = [self.ends[given_.session_token or ""] for _, given_ in self.answered if given_]
        return (max(ends, default=NOON) - EXPIRY_MARGIN).replace(microsecond=0)


def at_once(call: Coroutine[Any, Any, Credentials]) -> Credentials:
    """Run a call that may wait for nothing."""
    try:
        call.send(None)
    except StopIteration as done:
        found = done.value
        assert isinstance(found, Credentials)
        return found
    call.close()
    pytest.fail("a caller waited")


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


def check_signing(chain: Chain, found: Credentials, expires_in: int) -> None:
    """A URL signed now with these is alive, and ends a minute before what signed it really ends."""
    now = chain.now.replace(microsecond=0)
    endpoint = bucket_endpoint(endpoint_url="https://s3.example.com", bucket="b", style="path")
    presigner = Presigner(
        endpoint=endpoint, bucket="b", region="r", credentials=chain.fetch, clock=lambda: chain.now
    )
    end = presigner.batch(found, expires_in=expires_in).expires_at
    assert now < end <= chain.ends[found.session_token or ""] - EXPIRY_MARGIN


LIVES = st.one_of(
    st.timedeltas(min_value=timedelta(minutes=2), max_value=timedelta(hours=12)),
    st.sampled_from([QUARTER, timedelta(hours=1), timedelta(hours=12)]),
    st.timedeltas(min_value=timedelta(minutes=-5), max_value=timedelta(minutes=1)),
)
FAULTS = st.sampled_from([StorageUnavailable("Down."), StorageDenied("No."), "same", "stretched"])
STEPS = st.tuples(
    st.one_of(
        st.timedeltas(min_value=timedelta(0), max_value=timedelta(seconds=15)),
        st.timedeltas(min_value=timedelta(0), max_value=timedelta(minutes=20)),
        st.timedeltas(min_value=timedelta(0), max_value=timedelta(hours=13)),
    ),
    st.one_of(LIVES, FAULTS),
    st.booleans(),
    st.integers(1, 604_800),
)


@given(steps=st.lists(STEPS, min_size=1, max_size=25))
async def test_any_history(
    steps: list[tuple[timedelta, timedelta | UploadsvcError | str, bool, int]],
) -> None:
    """Whatever the chain does and when: no dead URL, none that outlives its session, nobody who need wait.

    Each step moves the clock, tells the chain what to say and whether to say it now, and lets callers call.
    """
    chain = Chain()
    source = chain.source()
    waiting: list[asyncio.Task[Credentials]] = []
    for later, says, answers, expires_in in steps:
        chain.now += later
        chain.says = says
        if answers:
            chain.answers.set()
        else:
            chain.answers.clear()
        if chain.now < chain.usable_until():
            check_signing(chain, at_once(source.current()), expires_in)
        else:
            waiting += [asyncio.create_task(source.current()) for _ in range(3)]
            await settle()
            waiting.pop().cancel()
        await settle()
        assert chain.under_way == 0 or not answers
        for caller in [caller for caller in waiting if caller.done()]:
            waiting.remove(caller)
            if caller.exception() is None:
                check_signing(chain, caller.result(), expires_in)
            else:
                assert isinstance(caller.exception(), UploadsvcError)
                assert chain.now >= chain.usable_until()
        assert not (answers and waiting)
    check_rate(chain)
    for caller in waiting:
        caller.cancel()
    await source.close()
    await asyncio.gather(*waiting, return_exceptions=True)


def check_rate(chain: Chain) -> None:
    """No question comes sooner after the last answer than it may."""
    best = NOON
    for (answered_at, given_), asked_at in zip(chain.answered, chain.asked_at[1:], strict=False):
        before = best
        if given_ is not None:
            ends = chain.ends[given_.session_token or ""]
            best = max(best, (ends - EXPIRY_MARGIN).replace(microsecond=0))
        left = best - answered_at
        if best > before and left > timedelta(0):
            pause = max(left - (AHEAD - EXPIRY_MARGIN), left / 2)
        elif asked_at < best:
            pause = RETRY
        else:
            pause = COLD_RETRY
        assert asked_at - answered_at >= pause


@pytest.mark.parametrize(
    ("life", "asked_after"),
    [
        (timedelta(minutes=2), timedelta(seconds=30)),
        (QUARTER, timedelta(minutes=7)),
        (timedelta(hours=1), timedelta(minutes=45)),
        (timedelta(hours=12), timedelta(hours=11, minutes=45)),
    ],
)
async def test_credentials_are_renewed_before_their_end(life: timedelta, asked_after: timedelta) -> None:
    """Fifteen minutes before, or halfway through a short session."""
    chain = Chain(says=life)
    source = chain.source()
    first = await source.current()
    chain.now += asked_after - timedelta(microseconds=1)
    for _ in range(50):
        assert at_once(source.current()) is first
    await settle()
    assert len(chain.asked_at) == 1
    chain.now += timedelta(microseconds=1)
    chain.answers.clear()
    for _ in range(50):
        assert at_once(source.current()) is first
    await settle()
    assert len(chain.asked_at) == 2
    chain.answers.set()
    await settle()
    assert at_once(source.current()) is not first
    await source.close()


async def test_the_remaining_time_of_credentials_is_known() -> None:
    chain = Chain(says=timedelta(hours=1))
    source = chain.source()
    assert source.seconds_left() is None
    await source.current()
    chain.now += timedelta(minutes=10)
    assert source.seconds_left() == 50 * 60
    await source.close()


async def test_the_metrics_know_the_remaining_time() -> None:
    metrics = Metrics()
    storage = Storage(
        bucket="bucket",
        region="us-east-1",
        endpoint_url=None,
        addressing_style="path",
        credentials=None,
        clock=lambda: NOON,
        metrics=metrics,
    )
    assert counts(metrics, "credentials_remaining_seconds") == {}
    hour = Credentials(access_key_id="id", secret_access_key="key", expires_at=NOON + 4 * QUARTER)
    storage._source._take(hour)
    assert counts(metrics, "credentials_remaining_seconds") == {(): 3600}
    await storage._source.close()


async def test_a_cold_start_fetches_once() -> None:
    """However many callers come, and whoever of them is cancelled."""
    chain = Chain()
    chain.answers.clear()
    source = chain.source()
    callers = [asyncio.create_task(source.current()) for _ in range(200)]
    await settle()
    for caller in callers[::2]:
        caller.cancel()
    await settle()
    chain.answers.set()
    found = await asyncio.gather(*callers[1::2])
    assert len(chain.asked_at) == 1
    assert {one.session_token for one in found} == {"session-0"}
    assert all(caller.cancelled() for caller in callers[::2])
    await source.close()


@pytest.mark.parametrize("says", [StorageUnavailable("Down."), "same", "stretched", timedelta(minutes=1)])
async def test_working_credentials_stay_while_fetches_fail(says: LivesOrFault) -> None:
    """They are fetched every ten seconds, until the old ones end."""
    chain = Chain()
    source = chain.source()
    first = await source.current()
    chain.says = says
    chain.now += timedelta(minutes=7)
    for _ in range(7 * 60):
        assert at_once(source.current()) is first
        await settle()
        chain.now += timedelta(seconds=1)
    assert len(chain.asked_at) == 1 + 7 * 6
    with pytest.raises(StorageUnavailable) as caught:
        await source.current()
    assert caught.value.retry_after > 0
    chain.says = QUARTER
    chain.now += COLD_RETRY
    assert await source.current() is not first
    await source.close()


async def test_failed_fetches_are_not_repeated_at_once() -> None:
    """Without credentials, callers fetch after two seconds, and get the same error before."""
    chain = Chain(says=StorageMisconfigured("No AWS credentials were found."))
    source = chain.source()
    for _ in range(100):
        with pytest.raises(StorageMisconfigured, match="were found"):
            await source.current()
    assert len(chain.asked_at) == 1
    chain.now += COLD_RETRY
    chain.says = QUARTER
    check_signing(chain, await source.current(), 900)
    assert len(chain.asked_at) == 2
    await source.close()


async def test_an_old_failure_is_forgotten() -> None:
    """Once there were credentials again."""
    chain = Chain(says=StorageMisconfigured("No AWS credentials were found."))
    source = chain.source()
    await asyncio.wait({source.ask()})
    chain.says = timedelta(seconds=61)
    await asyncio.wait({source.ask()})
    at_once(source.current())
    chain.now += timedelta(seconds=1)
    chain.says = QUARTER
    check_signing(chain, await source.current(), 900)
    await source.close()


async def test_a_clock_that_is_set_back_does_not_prolong_the_pause() -> None:
    chain = Chain(says=StorageUnavailable("Down."))
    source = chain.source()
    with pytest.raises(StorageUnavailable):
        await source.current()
    chain.now -= timedelta(hours=1)
    chain.says = QUARTER
    check_signing(chain, await source.current(), 900)
    await source.close()


async def test_credentials_without_an_end_are_kept() -> None:
    """Static keys are fetched once."""
    chain = Chain(says=None)
    source = chain.source()
    first = await source.current()
    chain.now += timedelta(days=3650)
    assert at_once(source.current()) is first
    await settle()
    assert len(chain.asked_at) == 1
    await source.close()


async def test_credentials_are_renewed_without_callers() -> None:
    """So that the next caller does not wait."""
    chain = Chain(says=timedelta(seconds=61))
    source = chain.source()
    await source.current()
    chain.asked.clear()
    async with asyncio.timeout(30):
        await chain.asked.wait()
    await source.close()
    assert len(chain.asked_at) == 2


async def test_only_the_last_timer_is_set() -> None:
    """A caller's fetch replaces the one that was due."""
    chain = Chain()
    source = chain.source()
    await source.current()
    alarm = source._timer
    assert alarm is not None
    chain.now += timedelta(minutes=7)
    at_once(source.current())
    await settle()
    assert alarm.cancelled()
    assert source._timer is not None
    assert not source._timer.cancelled()
    await source.close()
    assert source._timer.cancelled()


async def test_a_hanging_fetch_is_cancelled() -> None:
    """Callers get 503, and the next fetch is a new one."""
    chain = Chain()
    chain.answers.clear()
    source = chain.source(deadline=0.01)
    with capture_logs() as logs, pytest.raises(StorageUnavailable):
        await source.current()
    assert [(line["event"], line["error"]) for line in logs] == [
        ("credentials_not_refreshed", "TimeoutError")
    ]
    assert chain.under_way == 0
    chain.answers.set()
    chain.now += COLD_RETRY
    check_signing(chain, await source.current(), 900)
    await source.close()


async def test_a_slow_fetch_outlives_its_callers() -> None:
    """They get 503, and the fetch's result is used."""
    chain = Chain()
    chain.answers.clear()
    source = chain.source(patience=0.01)
    for _ in range(3):
        with pytest.raises(StorageUnavailable, match="not available yet"):
            await source.current()
    assert chain.under_way == 1
    chain.answers.set()
    await asyncio.wait({source.ask()})
    check_signing(chain, await source.current(), 900)
    await source.close()


async def test_a_failure_is_one_line_without_secrets() -> None:
    """One line per fetch, and no complaint of asyncio."""
    gc.collect()
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))

    async def fetch() -> Credentials:
        message = "the process printed wJalrXUtnFEMI"
        raise OSError(message)

    source = CredentialSource(fetch, clock=lambda: NOON, deadline=1, patience=1)
    try:
        with capture_logs() as logs:
            told = await asyncio.gather(*(source.current() for _ in range(20)), return_exceptions=True)
        await source.close()
        del source
        gc.collect()
    finally:
        loop.set_exception_handler(None)
    assert {type(error) for error in told} == {StorageUnavailable}
    assert len({id(error) for error in told}) == 20
    (line,) = logs
    assert (line["log_level"], line["error"], line["old_ones_serve"]) == ("warning", "OSError", False)
    assert "wJalr" not in repr(logs) + repr(told)
    assert complaints == []


async def test_closing_cancels_the_fetch() -> None:
    """Callers that wait get 503."""
    for begun in (True, False):
        chain = Chain()
        chain.answers.clear()
        source = chain.source()
        caller = asyncio.create_task(source.current())
        source.ask()
        if begun:
            await settle()
        before = asyncio.all_tasks()
        await source.close()
        assert (chain.under_way, len(chain.asked_at)) == (0, int(begun))
        assert asyncio.all_tasks() <= before
        if begun:
            with pytest.raises(StorageUnavailable):
                await caller
        caller.cancel()
    await Chain().source().close()


async def test_a_renewal_by_the_timer_belongs_to_no_request() -> None:
    """Although a request caused the fetch that set the timer: its id would be in the log for ever."""
    record, contexts = RequestRecord("the-first"), list[RequestRecord | None]()
    renewed = asyncio.Event()

    async def fetch() -> Credentials:
        contexts.append(current())
        if len(contexts) > 1:
            renewed.set()
        # Of use for a millisecond, by a clock that stands still: the timer asks again at once.
        ends = NOON + EXPIRY_MARGIN + timedelta(seconds=len(contexts))
        session = f"session-{len(contexts)}"
        return Credentials(access_key_id="a", secret_access_key="s", session_token=session, expires_at=ends)

    now = NOON + timedelta(milliseconds=999)
    source = CredentialSource(fetch, clock=lambda: now, deadline=5, patience=5)
    token = record.enter()
    await source.current()
    record.leave(token)
    await asyncio.wait_for(renewed.wait(), 5)
    await source.close()
    assert contexts[:2] == [record, None]
