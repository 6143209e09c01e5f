"""What the bucket is and what it has to be; and making it so."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aiohttp import ClientError as AiohttpError
from botocore.exceptions import BotoCoreError, ClientError

from uploadsvc.domain.redaction import redacted
from uploadsvc.provisioning.errors import UNREADABLE, refused, unreadable
from uploadsvc.provisioning.models import Check, ProvisioningError, Rule, RuleState, State, Step
from uploadsvc.provisioning.needs import BucketRequirements
from uploadsvc.provisioning.rules import CHECKS

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

RULES: Final[tuple[Rule, ...]] = tuple(check.rule for check in CHECKS)
"""All rules, in the order in which they are made."""

CHANGES: Final[frozenset[State]] = frozenset({"missing", "differs"})
"""The states that `apply` changes."""

_PAUSES: Final = (0.0, 0.5, 1.5)
"""Seconds before each look for what was written; S3 may show the configuration of before for a moment:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel
"""

PROBLEMS: Final[frozenset[State]] = frozenset({"conflict", "not allowed", "failed"})
"""The states that it cannot change; somebody has to look."""


async def plan(
    client: "S3Client", needs: BucketRequirements, *, rules: Collection[Rule] = RULES
) -> list[Step]:
    """Look at the bucket. Nothing is changed, and one rule that cannot be read leaves the others.

    Args:
        client: S3, with the right to read the bucket's rules.
        needs: What uploads need.
        rules: Those to look at.

    Raises:
        ProvisioningError: There are no credentials, or S3 does not answer.
    """
    steps: list[Step] = []
    async with _said(needs, "looked at"):
        exists = True
        for check in _chosen(rules):
            finding = await _look(client, needs, check, exists=exists)
            exists = exists and not _is_missing_bucket(check, finding)
            steps.append(_step(check, needs, finding))
    return steps


async def apply(
    client: "S3Client", needs: BucketRequirements, *, rules: Collection[Rule] = RULES
) -> list[Step]:
    """Make what is missing, and change what differs; what is in place is not written.

    What was written is looked at again: a store, or what stands before it, may take it and not keep it.

    Args:
        client: S3, with the right to read and write the bucket's rules.
        needs: What uploads need.
        rules: Those to make.

    Returns:
        What was done: ``found`` is what was there before.

    Raises:
        ProvisioningError: There are no credentials, or S3 does not answer.
    """
    steps: list[Step] = []
    async with _said(needs, "set up"):
        exists = True
        for check in _chosen(rules):
            finding = await _look(client, needs, check, exists=exists)
            done = await _changed(finding) if finding.change else finding
            exists = exists and (done.state == "made" or not _is_missing_bucket(check, finding))
            steps.append(_step(check, needs, done))
        return await _kept(client, needs, steps)


def _chosen(rules: Collection[Rule]) -> list[Check]:
    return [check for check in CHECKS if check.rule in rules]


def _is_missing_bucket(check: Check, finding: RuleState) -> bool:
    return check.rule == "bucket" and finding.state == "missing"


async def _look(client: "S3Client", needs: BucketRequirements, check: Check, *, exists: bool) -> RuleState:
    if not check.supported(needs.provider):
        return RuleState(state="unsupported", found=f"not for {needs.provider.name}")
    if not exists:
        return RuleState(state="missing", found="no bucket")
    try:
        return await check.look(client, needs)
    except ClientError as error:
        return refused(error)
    except UNREADABLE as error:
        return unreadable(error)


async def _changed(finding: RuleState) -> RuleState:
    try:
        if finding.change is not None:
            await finding.change()
    except ClientError as error:
        return refused(error)
    except UNREADABLE as error:
        return unreadable(error)
    return RuleState(state="made" if finding.state == "missing" else "changed", found=finding.found)


async def _kept(client: "S3Client", needs: BucketRequirements, steps: list[Step]) -> list[Step]:
    """Look again at what was made or changed, and tell of it as a failure where it is not there."""
    checks = {check.rule: check for check in CHECKS}
    unseen = {step.rule: "" for step in steps if step.state in {"made", "changed"}}
    for pause in _PAUSES if unseen else ():
        await asyncio.sleep(pause)
        found = {rule: await _look(client, needs, checks[rule], exists=True) for rule in unseen}
        unseen = {rule: seen.found for rule, seen in found.items() if seen.state != "in place"}
        if not unseen:
            break
    return [
        replace(step, state="failed", found=f"the change was taken and is not there: {unseen[step.rule]}")
        if step.rule in unseen
        else step
        for step in steps
    ]


def _step(check: Check, needs: BucketRequirements, finding: RuleState) -> Step:
    return Step(rule=check.rule, state=finding.state, found=finding.found, wanted=check.wanted(needs))


@asynccontextmanager
async def _said(needs: BucketRequirements, what: str) -> AsyncIterator[None]:
    try:
        yield
    except (BotoCoreError, AiohttpError, TimeoutError, OSError) as error:
        message = f"bucket {needs.bucket!r} could not be {what}: {_reason(error)}"
        raise ProvisioningError(message) from error


def _reason(error: Exception) -> str:
    # A timeout of the system's own has no words.
    return redacted(str(error)) or type(error).__name__
