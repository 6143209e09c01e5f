"""Share of writes that reaches the busiest partition of S3, for keys from the planner.

S3 splits a bucket into ranges of keys under load, and accepts 3,500 writes a second in each:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
A split takes half an hour or more. So the ranges here divide an hour of writes equally, and the load is that
of the next minute.
"""

import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final

from uploadsvc.domain.keys import KeyTemplate, Namespace, newest_first_uuid
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import Policy
from uploadsvc.domain.providers import PROVIDERS

WRITES_A_SECOND: Final = 3_500
"""PUT, POST, COPY and DELETE, in one range."""

RANGES: Final = 20
USERS: Final = 10_000
TEMPLATES: Final = ("{uuid}/{filename}", "{date}/{uuid}{ext}", "{filename}")

_KEYS: Final = 20_000
_START: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)
_LEARNED: Final = timedelta(hours=1)
_MEASURED: Final = timedelta(minutes=1)

Choose = Callable[[random.Random], int]


def _alike(dice: random.Random) -> int:
    return dice.randrange(USERS)


def _by_zipf() -> Choose:
    """Return a choice by Zipf's law: the second user uploads half as much as the first, the third a third."""
    weights = list(accumulate(1 / rank for rank in range(1, USERS + 1)))
    return lambda dice: bisect_right(weights, dice.random() * weights[-1])


CROWDS: Final[Mapping[str, Choose]] = {
    "10,000 users, equally active": _alike,
    "10,000 users, a few very active": _by_zipf(),
    "one user": lambda _: 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Distribution of the writes for a key template.

    Attributes:
        template: Key template of the policy.
        crowd: Who uploads.
        hottest: Share of the writes that hits the busiest range.
    """

    template: str
    crowd: str
    hottest: float

    @property
    def writes_a_second(self) -> int:
        """Writes per second above which S3 starts to refuse some."""
        return int(WRITES_A_SECOND / self.hottest)


def spreads() -> list[Spread]:
    """Return the distribution for each template and crowd. It is deterministic."""
    return [
        Spread(template=template, crowd=crowd, hottest=_hottest(template, choose))
        for template in TEMPLATES
        for crowd, choose in CROWDS.items()
    ]


def _hottest(template: str, choose: Choose) -> float:
    dice = random.Random(7)  # noqa: S311 - the same load each time
    policy = Policy(name="default", key=KeyTemplate(template))
    planner = Planner(policy=policy, provider=PROVIDERS["aws"], namespace=Namespace("uploads"))
    learned = sorted(_keys(planner, choose, dice, _START, _LEARNED))
    bounds = [learned[number * _KEYS // RANGES] for number in range(1, RANGES)]
    then = _keys(planner, choose, dice, _START + _LEARNED, _MEASURED)
    hits = Counter(bisect_right(bounds, key) for key in then)
    return max(hits.values()) / _KEYS


def _keys(
    planner: Planner, choose: Choose, dice: random.Random, start: datetime, period: timedelta
) -> Sequence[str]:
    """Return the keys of uploads that are created during a period, in order of time."""
    return [_key(planner, choose(dice), dice, start + period * number / _KEYS) for number in range(_KEYS)]


def _key(planner: Planner, user: int, dice: random.Random, now: datetime) -> str:
    # Names as people and programs give them: a word or two, and a number.
    filename = f"{dice.choice(('IMG', 'Scan', 'report', 'film'))}_{dice.randrange(10**6)}.jpg"
    request = UploadRequest(filename=filename, content_type="image/jpeg", size=123_456)
    unique = newest_first_uuid(now, f"{dice.getrandbits(80):020x}")
    plan = planner.plan(request, user=f"user-{user}", upload_uuid=unique, unique=unique, today=now.date())
    return plan.key
