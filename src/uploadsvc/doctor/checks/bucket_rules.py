"""The bucket's own rules, against what the settings call for."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from uploadsvc.doctor.findings import Finding, failed, ok, skipped
from uploadsvc.doctor.target import Target
from uploadsvc.provisioning.models import Rule, Step
from uploadsvc.provisioning.plan import plan

CHECKS: Final[tuple[Rule, ...]] = ("public-access", "ownership", "bucket-policy", "lifecycle")
"""The rules with a finding of their own; whether the bucket is there, others look at more closely."""

_CORS: Final = "cors"


async def rule_steps(target: Target) -> list[Step]:
    """Look at the bucket's rules.

    Raises:
        ProvisioningError: S3 does not answer.
    """
    return await plan(target.storage.client, target.requirements, rules=(*CHECKS, _CORS))


def rule_findings(steps: Sequence[Step]) -> list[Finding]:
    """Return one finding for each of `CHECKS`."""
    return [_finding(step) for step in steps if step.rule in CHECKS]


def with_rule(finding: Finding, steps: Sequence[Step]) -> Finding:
    """Add what the bucket's CORS rules are to a finding of what pages meet."""
    step = next((step for step in steps if step.rule == _CORS), None)
    if finding.status != "failed" or step is None or step.state not in {"missing", "differs", "in place"}:
        return finding
    if step.state == "in place":
        mend = "the bucket's rule is as it should be: see what else answers at the public endpoint"
        return replace(finding, mend=mend)
    return replace(finding, found=f"{finding.found}; the bucket has: {step.found}")


def _finding(step: Step) -> Finding:
    found = step.found
    match step.state:
        case "in place" | "made" | "changed":
            return ok(step.rule, found)
        case "unsupported":
            return skipped(step.rule, found)
        case "not allowed":
            mend = "to see it too, run this with the credentials that uploadsvc bucket apply has"
            return skipped(step.rule, f"these credentials may not look: {found}", mend)
        case "missing" | "differs":
            return failed(step.rule, f"{found}; wanted: {step.wanted}", "run uploadsvc bucket apply")
        case "conflict":
            return failed(step.rule, f"{found}; wanted: {step.wanted}", "see uploadsvc bucket plan")
        case "failed":
            return failed(step.rule, found, "see uploadsvc bucket plan")
