"""Check that the service can read the first bytes and tags of objects, if a policy needs it."""

from typing import Final

from uploadsvc.doctor.canaries import BODY, Canaries
from uploadsvc.doctor.cleanup import Cleanup
from uploadsvc.doctor.findings import Finding, blocked, failed, listed, ok, skipped
from uploadsvc.doctor.target import Target
from uploadsvc.domain.errors import UploadsvcError

CHECK: Final = "inspection"

_FIRST: Final = 9
"""Bytes to read: fewer than a canary has, to check that S3 does not send more."""


def inspection_checks(target: Target) -> list[str]:
    """Return the check's name, if a policy verifies content or waits for a scanner."""
    return [CHECK] if _verifies(target) or _waits(target) else []


async def inspection_findings(target: Target, canaries: Canaries, cleanup: Cleanup) -> list[Finding]:
    """Store a canary and inspect it like the service, if a policy requires inspection."""
    if not inspection_checks(target):
        return []
    permissions = canaries.permissions
    if not permissions.store:
        return [skipped(CHECK, f"not tried, since nothing may be stored: {permissions.why_not}")]
    key = cleanup.key(CHECK)
    sent = await canaries.put_as(key, {"Content-Length": str(len(BODY))})
    if not sent.stored:
        return [blocked(CHECK, "canary:put")]
    problem = await _problem(target, key)
    if problem:
        fix = (
            "let these credentials read objects and their tags, as uploadsvc iam-policy prints, at a store "
            "that has both"
        )
        return [failed(CHECK, problem, fix)]
    possible = ["first bytes"] * _verifies(target) + ["tags"] * _waits(target)
    return [ok(CHECK, f"the service can read {listed(possible)}")]


async def _problem(target: Target, key: str) -> str:
    """Return the problem in words, or nothing."""
    looked_for = "the canary"
    try:
        stored = await target.storage.head(key)
        if stored is None:
            return "the canary is not where the service looks for it"
        if _verifies(target):
            looked_for = "first bytes"
            if await target.storage.read_head(stored, _FIRST) != BODY[:_FIRST]:
                return "a GET of the first bytes does not return them"
        if _waits(target):
            looked_for = "tags"
            await target.storage.tags(stored)
    except UploadsvcError as error:
        return f"{looked_for}: {error.detail}"
    return ""


def _verifies(target: Target) -> bool:
    return any(planner.policy.verify_content for planner in target.planners.values())


def _waits(target: Target) -> bool:
    return any(planner.policy.available_when for planner in target.planners.values())
