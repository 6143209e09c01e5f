"""Lifecycle rule that aborts unfinished multipart uploads.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpu-abort-incomplete-mpu-lifecycle-config.html
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from uploadsvc.provisioning.lifecycle import (
    ABORT_RULE,
    LATEST,
    read_rules,
    replaced,
    suffix_of,
    write_rules,
)
from uploadsvc.provisioning.models import BucketRequirements, Check, RuleState

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client


def _wanted(requirements: BucketRequirements) -> str:
    if requirements.abort_days is None:
        return "no rule: no policy uploads in parts"
    return _shown(requirements.abort_days, _prefix(requirements))


def _prefix(requirements: BucketRequirements) -> str:
    return f"{requirements.key_prefix}/"


async def _look(client: "S3Client", requirements: BucketRequirements) -> RuleState:
    if requirements.abort_days is None:
        return RuleState(state="in place", found="not needed")
    present, options = await read_rules(client, requirements.bucket)
    own = [rule for rule in present if rule.get("ID") == ABORT_RULE]
    others = [rule for rule in present if rule.get("ID") != ABORT_RULE]
    if early := _too_early(others, requirements.abort_days, _prefix(requirements)):
        return RuleState(state="conflict", found=early)
    ours = _rule(requirements.abort_days, _prefix(requirements), others)
    serving = [_found(rule) for rule in own if _same(rule, ours)]
    if not own:
        serving = [
            _found(rule) for rule in others if _serves(rule, requirements.abort_days, _prefix(requirements))
        ]
    if serving:
        return RuleState(state="in place", found=serving[0])

    async def change() -> None:
        await write_rules(client, requirements.bucket, replaced(present, ours), options)

    kept = f"{len(others)} other rule{'s' if len(others) > 1 else ''}" if others else "no rules"
    found = _found(own[0]) if own else kept
    return RuleState(
        state="differs" if own else "missing",
        found=found,
        change=change,
        narrows=any(not _waits_longer(ours, rule) for rule in own),
    )


def _rule(days: int, prefix: str, others: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    # S3 rejects a configuration with both spellings of a prefix, and other rules keep theirs.
    old_style = any("Prefix" in rule for rule in others)
    return {
        "ID": ABORT_RULE,
        "Status": "Enabled",
        **({"Prefix": prefix} if old_style else {"Filter": {"Prefix": prefix}}),
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days},
    }


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (one["Status"], _days(one), _prefix_of(one)) == (other["Status"], _days(other), _prefix_of(other))


def _waits_longer(rule: Mapping[str, Any], than: Mapping[str, Any]) -> bool:
    """Return whether a rule only gives the same uploads more time than another one."""
    same = (rule["Status"], _prefix_of(rule)) == (than["Status"], _prefix_of(than))
    return same and (_days(rule) or 0) >= (_days(than) or 0)


def _serves(rule: Mapping[str, Any], days: int, prefix: str) -> bool:
    covers = _prefix_of(rule)
    if rule["Status"] != "Enabled" or covers is None or not prefix.startswith(covers):
        return False
    return days <= (_days(rule) or 0) <= max(days, LATEST)


def _too_early(rules: Sequence[Mapping[str, Any]], days: int, prefix: str) -> str:
    """Describe a rule that aborts uploads before they expire. S3 applies the earliest rule."""
    for rule in rules:
        covers, after = _prefix_of(rule), _days(rule)
        touches = covers is not None and (prefix.startswith(covers) or covers.startswith(prefix))
        if rule["Status"] == "Enabled" and touches and after is not None and after < days:
            return f"{_found(rule)}: sooner than multipart_expires_in of the policies"
    return ""


def _days(rule: Mapping[str, Any]) -> int | None:
    days = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
    return None if days is None else int(days)


def _prefix_of(rule: Mapping[str, Any]) -> str | None:
    """Return a rule's prefix; ``None`` if it filters by anything else."""
    if "Prefix" in rule:
        return str(rule["Prefix"])
    only = rule.get("Filter", {})
    return str(only.get("Prefix", "")) if only.keys() <= {"Prefix"} else None


def _found(rule: Mapping[str, Any]) -> str:
    return _shown(_days(rule) or 0, _prefix_of(rule) or "") + suffix_of(rule, ABORT_RULE)


def _shown(days: int, prefix: str) -> str:
    where = f"under {prefix}" if prefix else "everywhere"
    return f"unfinished uploads {where} aborted after {days} day{'s' if days > 1 else ''}"


CHECK: Final = Check(
    rule="lifecycle",
    supported=lambda provider: provider.lifecycle_rules,
    wanted=_wanted,
    look=_look,
    needed=lambda requirements: requirements.abort_days is not None,
)
