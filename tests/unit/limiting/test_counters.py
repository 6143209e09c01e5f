"""Rates, counts of sliding windows, and counters of one process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItemPerMinute
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from uploadsvc.domain.rates import Counts, Rate, parse_rate
from uploadsvc.limiting.counters import LocalCounters


class _Timer:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("600/minute", (600, "minute")),
        (" 1 / Second ", (1, "second")),
        ("9/hour", (9, "hour")),
        ("5/day", (5, "day")),
    ],
)
def test_reads_a_rate(text: str, rate: tuple[int, str]) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        *("", "600", "0/minute", "-1/minute", "1.5/second", "600/minutes", "60/month", "1/0second"),
        *("²/day", "1e3/day", "99999999999/day", "1/minute;2/day"),
    ],
)
def test_refuses_other_rates_and_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a rate; write a number from 1 up.*600/minute"):
        parse_rate(text)


@given(
    amount=st.integers(1, 50),
    steps=st.lists(st.tuples(st.integers(0, 90), st.integers(1, 20)), max_size=60),
)
async def test_the_wait_is_the_shortest_whole_one(amount: int, steps: list[tuple[int, int]]) -> None:
    """After it, the same request passes; a second earlier it does not."""
    timer, item, rate = _Timer(), RateLimitItemPerMinute(amount), Rate(amount, "minute")
    counters = LocalCounters(timer=timer)
    limiter = SlidingWindowCounterRateLimiter(counters)
    for seconds, cost in steps:
        timer.now += seconds
        if await limiter.hit(item, "ann", cost=cost):
            continue
        previous, previous_left, current, kept = await counters.get_sliding_window(item.key_for("ann"), 60)
        counts = Counts(previous, previous_left, current, max(0.0, kept - 60))
        assert counts.free(rate) < cost
        wait = counts.wait(rate, cost)
        if cost > amount:
            assert wait == 60
            continue
        before = timer.now
        timer.now = before + wait - 1
        assert not await limiter.test(item, "ann", cost=cost)
        timer.now = before + wait
        assert await limiter.test(item, "ann", cost=cost)
        timer.now = before


@given(
    amount=st.integers(1, 30),
    steps=st.lists(st.tuples(st.floats(0, 40), st.integers(1, 10)), min_size=1, max_size=80),
)
async def test_no_window_has_more_than_the_limit(amount: int, steps: list[tuple[float, int]]) -> None:
    """By the strategy's definition: with the share of the window before; windows begin with the first hit."""
    timer, item = _Timer(), RateLimitItemPerMinute(amount)
    limiter = SlidingWindowCounterRateLimiter(LocalCounters(timer=timer))
    passed: list[tuple[float, int]] = []
    for seconds, cost in steps:
        timer.now += seconds
        if await limiter.hit(item, "ann", cost=cost):
            passed.append((timer.now, cost))
    for start, _ in passed:
        together = sum(cost for at, cost in passed if start <= at < start + 60)
        # Any 60 seconds reach into two windows at most.
        assert together < 2 * amount or amount == 1
        assert sum(cost for at, cost in passed if at == start) <= amount


async def test_users_are_counted_apart_and_refusals_cost_nothing() -> None:
    timer, item = _Timer(), RateLimitItemPerMinute(10)
    limiter = SlidingWindowCounterRateLimiter(LocalCounters(timer=timer))
    assert not await limiter.hit(item, "ann", cost=11)
    assert await limiter.hit(item, "ann", cost=10)
    assert not await limiter.hit(item, "ann")
    assert await limiter.hit(item, "bob", cost=10)


async def test_a_million_users_do_not_fill_the_memory() -> None:
    """Those that were not used for longest go first, and what is over goes before it is full."""
    timer, item = _Timer(), RateLimitItemPerMinute(2)
    counters = LocalCounters(max_counters=1000, timer=timer)
    limiter = SlidingWindowCounterRateLimiter(counters)
    for number in range(5000):
        await limiter.hit(item, str(number))
        await limiter.hit(item, "regular")
        assert len(counters) <= 1000
    assert not await limiter.hit(item, "regular")
    timer.now += 120
    for number in range(600):
        await limiter.hit(item, f"later {number}")
    assert len(counters) == 600


def test_knows_when_there_is_room_at_the_edges() -> None:
    rate = Rate(10, "minute")
    full = Counts(previous=0, previous_left=0, current=10, current_left=20.0)
    assert (full.used(rate), full.free(rate)) == (10, 0)
    assert full.wait(rate, 1) == 21
    assert Counts(0, 0, 10, 20.0).wait(rate, 10) == 75
    assert Counts(10, 30.0, 5, 30.0).free(rate) == 0
