"""A ledger against its model, by Hypothesis: any steps, in any order, by several processes."""

import itertools
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from tests.support.fakes import NOON
from tests.support.ledgers import Model
from tests.support.properties import examples

from uploadsvc.domain.quotas import Excess, Quota, Wanted
from uploadsvc.limiting.ledger import Ledger

SIZES = st.integers(0, 60)
HOURS = st.integers(1, 40)
QUOTAS = st.builds(
    Quota,
    daily_bytes=st.none() | st.integers(0, 150),
    max_unfinished=st.none() | st.integers(0, 3),
)


def run_machine(make: Callable[[], "LedgerMachine"], *, times: float) -> None:
    """Run machines, `times` as many as usual."""
    # It only calls what it takes for a class.
    run_state_machine_as_test(make, settings=examples(times))  # type: ignore[arg-type]


class LedgerMachine(RuleBasedStateMachine):
    """Steps on one account. A step that never comes is a process that crashed before it."""

    uploads: Bundle[str] = Bundle("uploads")

    def __init__(
        self, run: Callable[[Any], Any], ledgers: Sequence[Ledger], account: str, quota: Quota | None = None
    ) -> None:
        super().__init__()
        self._run, self._ledgers, self._account = run, ledgers, account
        self._model, self._now, self._count, self._names = Model(), NOON, 0, itertools.count()
        self._quota = quota or Quota()

    def _next(self) -> Ledger:
        # Each step by another process.
        self._count += 1
        return self._ledgers[self._count % len(self._ledgers)]

    @initialize(quota=QUOTAS)
    def choose(self, quota: Quota) -> None:
        """Choose the quota."""
        self._quota = quota

    @rule(target=uploads, asked=st.lists(st.tuples(SIZES, st.none() | HOURS), min_size=1, max_size=4))
    def reserve(self, asked: list[tuple[int, int | None]]) -> Any:  # noqa: ANN401 - Hypothesis's own type
        """Reserve for several uploads, as a batch does, and again, as after a lost answer."""
        start = int(self._now.timestamp())
        wanted = [
            Wanted(f"{next(self._names):032x}", size, start + 3600 * hours if hours else 0)
            for size, hours in asked
        ]
        expected = self._model.reserve(self._quota, wanted, self._now)
        found = self._reserve(self._next(), wanted)
        assert found == expected
        fitting = [one for one, excess in zip(wanted, found, strict=True) if excess is None]
        counted = [one for one in fitting if self._quota.daily_bytes is not None or one.ends]
        if counted:
            assert self._reserve(self._next(), counted) == [None] * len(counted)
        return multiple(*(one.upload for one in fitting))

    def _reserve(self, ledger: Ledger, wanted: list[Wanted]) -> list[Excess | None]:
        answer: list[Excess | None] = self._run(
            ledger.reserve(self._account, self._quota, wanted, now=self._now)
        )
        return answer

    @rule(upload=uploads, size=SIZES)
    def settle(self, upload: str, size: int) -> None:
        """Complete an upload, or get its event; perhaps for the second time, or after an abort."""
        self._model.settle(upload, size, self._now)
        self._run(self._next().settle(self._account, upload, size, now=self._now))

    @rule(upload=uploads, begun=st.booleans())
    def release(self, upload: str, begun: bool) -> None:  # noqa: FBT001 - Hypothesis passes it by name
        """Abort an upload; perhaps for the second time, or after it was completed."""
        self._model.release(upload, begun=begun)
        self._run(self._next().release(self._account, [upload], now=self._now, begun=begun))

    @rule(upload=uploads, name=st.sampled_from(["one", "two"]))
    def name(self, upload: str, name: str) -> None:
        """Learn S3's id. Here two uploads may have the same, which closes both."""
        one = self._model.uploads[upload]
        if one.ends and not one.closed:
            one.name = name
        self._run(self._next().name(self._account, upload, name, now=self._now))

    @rule(name=st.sampled_from(["one", "two"]), brought_nothing=st.booleans())
    def close_named(self, name: str, brought_nothing: bool) -> None:  # noqa: FBT001 - Hypothesis passes it by name
        """Abort by S3's id."""
        self._model.close_named(name, brought_nothing=brought_nothing)
        self._run(
            self._next().close_named(self._account, name, brought_nothing=brought_nothing, now=self._now)
        )

    @rule(hours=st.integers(1, 30))
    def wait(self, hours: int) -> None:
        """Let time pass: uploads expire, days end."""
        self._now += timedelta(hours=hours)

    @invariant()
    def the_same_is_left(self) -> None:
        """Whatever was done, exactly what the model says is left, and no byte more."""
        limit, most = self._quota.daily_bytes, self._quota.max_unfinished
        probe = Wanted("f" * 32, (limit or 0) + 1, int(self._now.timestamp()) + 60)
        if limit is not None:
            found = self._reserve(self._next(), [probe])
            assert found == self._model.reserve(self._quota, [probe], self._now)
        elif most == 0:
            assert self._reserve(self._next(), [probe]) == self._model.reserve(
                self._quota, [probe], self._now
            )
