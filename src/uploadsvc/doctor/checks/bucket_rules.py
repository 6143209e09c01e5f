"""The bucket's rules, compared with the settings."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from uploadsvc.doctor.findings import Finding, failed, ok, skipped
from uploadsvc.doctor.network import FIND_OUT
from uploadsvc.doctor.target import Target
from uploadsvc.provisioning.models import Rule, Step
from uploadsvc.provisioning.plan import plan

CHECKS: Final[tuple[Rule, ...]] = ("public-access", "ownership", "bucket-policy", "lifecycle", "unclaimed")
"""Rules that get their own findings; other checks cover the bucket and CORS."""

_CORS: Final = "cors"
_ELSEWHERE: Final = (
    "the bucket's rule is right: let whatever answers at the public endpoint pass on preflights and CORS "
    "headers unchanged"
)
_CONFLICT: Final = (
    "change or remove that rule of the bucket by hand: uploadsvc bucket apply only makes its own"
)


async def rule_steps(target: Target) -> list[Step]:
    """Compare the bucket's rules with the requirements.

    Raises:
        ProvisioningError: S3 does not answer.
    """
    return await plan(target.storage.client, target.requirements, rules=(*CHECKS, _CORS))


def rule_findings(steps: Sequence[Step]) -> list[Finding]:
    """Return one finding for each of `CHECKS`."""
    return [rule_finding(step) for step in steps if step.rule in CHECKS]


def with_rule(finding: Finding, steps: Sequence[Step]) -> Finding:
    """Return an origin's finding; if it failed, with the bucket's CORS rules."""
    step = next((step for step in steps if step.rule == _CORS), None)
    if finding.status != "failed" or step is None or step.state not in {"missing", "differs", "in place"}:
        return finding
    if step.state == "in place":
        return replace(finding, mend=_ELSEWHERE)
    return replace(finding, found=f"{finding.found}; the bucket has: {step.found}")


def rule_finding(step: Step) -> Finding:
    """Return the finding for a rule."""
    found = step.found
    match step.state:
        case "in place" | "made" | "changed":
            return ok(step.rule, found)
        case "unsupported":
            return skipped(step.rule, found)
        case "not allowed":
            fix = "to see it too, run this with the credentials for uploadsvc bucket apply"
            return skipped(step.rule, f"no access with these credentials: {found}", fix)
        case "missing" | "differs":
            return failed(step.rule, f"{found}; wanted: {step.wanted}", "run uploadsvc bucket apply")
        case "conflict" | "not confirmed":
            return failed(step.rule, f"{found}; wanted: {step.wanted}", _CONFLICT)
        case "failed":
            return failed(step.rule, found, FIND_OUT)
