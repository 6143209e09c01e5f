"""Times of further attempts."""

import pytest

from uploadsvc.domain.redelivery import ATTEMPTS, MAX_DELAY, MAX_INVISIBLE, pause, postponed


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    pauses = [pause(attempt, jitter=0) for attempt in range(1, ATTEMPTS + 1)]
    assert pauses == [5, 300, 1800, 7200, 18_000, 36_000, 36_000, None]


def test_pauses_are_spread_and_never_shorter() -> None:
    assert [pause(4, jitter=jitter) for jitter in (0, 0.5, 1)] == [7200, 7560, 7920]


@pytest.mark.parametrize(
    ("attempt", "retry_after", "seconds"), [(1, 60, 60), (1, 0.5, 5), (3, 60, 1800), (8, 60, None)]
)
def test_a_receiver_can_ask_to_wait_longer(attempt: int, retry_after: float, seconds: int | None) -> None:
    assert pause(attempt, jitter=0, retry_after=retry_after) == seconds


def test_no_pause_is_longer_than_sqs_allows() -> None:
    """Counted from the message's receipt, not from the end of the attempt."""
    assert pause(1, jitter=1, retry_after=10**6, age=30) == MAX_INVISIBLE - 30
    longest = pause(7, jitter=1, age=30)
    assert longest is not None
    assert longest < MAX_INVISIBLE - 30


def test_a_receiver_without_room_is_asked_less_and_less_often() -> None:
    pauses = [postponed(times, jitter=0) for times in range(1, 12)]
    assert pauses[:5] == [5, 10, 20, 40, 80]
    assert max(pauses) == postponed(1000, jitter=1) == MAX_DELAY
