"""Compare the bucket's rules with the requirements, and fix them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from botocore.exceptions import ClientError

from uploadsvc.domain.redaction import redacted
from uploadsvc.provisioning.errors import UNREADABLE, code_of, refused, unreadable
from uploadsvc.provisioning.models import (
    BucketRequirements,
    Check,
    ProvisioningError,
    QueueClients,
    Rule,
    RuleState,
    State,
    Step,
)
from uploadsvc.provisioning.rules import CHECKS
from uploadsvc.s3.errors import NO_ANSWER

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

T = TypeVar("T")

RULES: Final[tuple[Rule, ...]] = tuple(check.rule for check in CHECKS)
"""All rules, in the order in which `apply` makes them."""

CHANGES: Final[frozenset[State]] = frozenset({"missing", "differs"})
"""States that `apply` fixes."""

PROBLEMS: Final[frozenset[State]] = frozenset({"conflict", "not allowed", "not confirmed", "failed"})
"""States that `apply` cannot fix; the operator has to."""

_PAUSES: Final = (0.0, 0.5, 1.5)
"""Seconds before each read of a changed rule, because S3 may return the old one for a moment:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel
"""


_SETTLING: Final = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each attempt of a call for a new bucket, which parts of the store may not know yet."""


def _agree(_: Step) -> bool:
    return True


async def plan(
    client: "S3Client",
    requirements: BucketRequirements,
    *,
    rules: Collection[Rule] = RULES,
    queues: QueueClients | None = None,
) -> list[Step]:
    """Compare the bucket's rules with the requirements, without changes.

    A rule that cannot be read does not stop the others.

    Args:
        client: S3 client with the right to read the bucket's rules.
        requirements: Requirements on the bucket.
        rules: The rules to compare.
        queues: Clients for the rules of the queue; ``None`` to leave them out.

    Raises:
        ProvisioningError: There are no credentials, or S3 does not answer.
    """
    steps: list[Step] = []
    async with _reachable(requirements, "looked at"):
        exists = True
        look = _Look(client, queues, requirements)
        for check in look.chosen(rules):
            state = await look(check, exists=exists)
            exists = exists and not _is_missing_bucket(check, state)
            steps.append(_step(check, requirements, state))
    return steps


async def apply(
    client: "S3Client",
    requirements: BucketRequirements,
    *,
    rules: Collection[Rule] = RULES,
    confirm: Callable[[Step], bool] = _agree,
    queues: QueueClients | None = None,
) -> list[Step]:
    """Create the rules that are missing, and change those that differ.

    Each change is read back, because a store, or a proxy in front of it, may accept a change without keeping
    it.

    Args:
        client: S3 client with the right to read and write the bucket's rules.
        requirements: Requirements on the bucket.
        rules: The rules to apply.
        confirm: Called before a change that removes something from the bucket.
        queues: Clients for the rules of the queue; ``None`` to leave them out.

    Returns:
        All rules; ``found`` is the previous state.

    Raises:
        ProvisioningError: There are no credentials, or S3 does not answer.
    """
    steps: list[Step] = []
    async with _reachable(requirements, "set up"):
        exists, fresh = True, False
        look = _Look(client, queues, requirements)
        for check in look.chosen(rules):
            state = await look(check, exists=exists, fresh=fresh)
            if state.narrows and not confirm(_step(check, requirements, state)):
                state = RuleState(state="not confirmed", found=state.found)
            done = await _change(check, state, fresh=fresh) if state.change else state
            if _is_missing_bucket(check, state):
                exists = fresh = done.state == "made"
            # S3 rejects a queue whose policy has not reached all of SQS yet.
            fresh = fresh or (check.service == "SQS" and done.state in {"made", "changed"})
            steps.append(_step(check, requirements, done))
        return await _read_back(look, steps)


def _is_missing_bucket(check: Check, state: RuleState) -> bool:
    return check.rule == "bucket" and state.state == "missing"


class _Look:
    """Reads rules."""

    def __init__(
        self, client: "S3Client", queues: QueueClients | None, requirements: BucketRequirements
    ) -> None:
        self._client = client
        self._queues = queues
        self._requirements = requirements

    def chosen(self, rules: Collection[Rule]) -> list[Check]:
        """Return the checks of these rules that the settings require."""
        with_queue = self._queues is not None and self._requirements.queue is not None
        return [check for check in CHECKS if check.rule in rules and (with_queue or not check.for_events)]

    async def __call__(self, check: Check, *, exists: bool, fresh: bool = False) -> RuleState:
        """Read a rule."""
        if not check.supported(self._requirements.provider):
            return RuleState(state="unsupported", found=f"not for {self._requirements.provider.name}")
        if not exists and not check.needed(self._requirements):
            return RuleState(state="in place", found="not needed")
        if check.service == "S3" and not exists:
            return RuleState(state="missing", found="no bucket")
        client = self._client if check.service == "S3" else self._queues
        try:
            return await _settled(lambda: check.look(client, self._requirements), check, fresh=fresh)
        except ClientError as error:
            return refused(error, check.service)
        except UNREADABLE as error:
            return unreadable(error)


async def _settled(call: Callable[[], Awaitable[T]], check: Check, *, fresh: bool) -> T:
    """Make a call. If the bucket or the queue is new, wait until S3 and SQS know it."""
    for pause in _SETTLING if fresh else ():
        await asyncio.sleep(pause)
        try:
            return await call()
        except ClientError as error:
            if code_of(error) not in check.unsettled:
                raise
    return await call()


async def _change(check: Check, state: RuleState, *, fresh: bool) -> RuleState:
    try:
        if state.change is not None:
            await _settled(state.change, check, fresh=fresh)
    except ClientError as error:
        return refused(error, check.service)
    except UNREADABLE as error:
        return unreadable(error)
    return RuleState(state="made" if state.state == "missing" else "changed", found=state.found)


async def _read_back(look: _Look, steps: list[Step]) -> list[Step]:
    """Return the steps, with those marked as failed whose change was not kept."""
    checks = {check.rule: check for check in CHECKS}
    unseen = {step.rule: "" for step in steps if step.state in {"made", "changed"}}
    for pause in _PAUSES if unseen else ():
        await asyncio.sleep(pause)
        seen = {rule: await look(checks[rule], exists=True) for rule in unseen}
        unseen = {rule: state.found for rule, state in seen.items() if state.state != "in place"}
        if not unseen:
            break
    return [
        replace(step, state="failed", found=f"the change was accepted but not kept: {unseen[step.rule]}")
        if step.rule in unseen
        else step
        for step in steps
    ]


def _step(check: Check, requirements: BucketRequirements, state: RuleState) -> Step:
    return Step(rule=check.rule, state=state.state, found=state.found, wanted=check.wanted(requirements))


@asynccontextmanager
async def _reachable(requirements: BucketRequirements, what: str) -> AsyncIterator[None]:
    try:
        yield
    except NO_ANSWER as error:
        message = f"bucket {requirements.bucket!r} could not be {what}: {_reason(error)}"
        raise ProvisioningError(message) from error


def _reason(error: Exception) -> str:
    # The operating system's timeout has no message.
    return redacted(str(error)) or type(error).__name__
