"""Lifecycle rule that deletes unclaimed objects.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-filters.html
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from uploadsvc.domain.unclaimed import TAG, UNCLAIMED
from uploadsvc.provisioning.lifecycle import (
    ABORT_RULE,
    LATEST,
    UNCLAIMED_RULE,
    read_rules,
    replaced,
    suffix_of,
    write_rules,
)
from uploadsvc.provisioning.models import BucketRequirements, Check, RuleState

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_MARK: Final = {TAG: UNCLAIMED}


def _wanted(requirements: BucketRequirements) -> str:
    if requirements.unclaimed_days is None:
        return "no rule: no policy sets unclaimed_expires_in"
    return _shown(requirements.unclaimed_days, _prefix(requirements))


def _prefix(requirements: BucketRequirements) -> str:
    return f"{requirements.key_prefix}/"


async def _look(client: "S3Client", requirements: BucketRequirements) -> RuleState:
    if requirements.unclaimed_days is None:
        return await _look_for_leftover(client, requirements.bucket)
    present, options = await read_rules(client, requirements.bucket)
    own = [rule for rule in present if rule.get("ID") == UNCLAIMED_RULE]
    others = [rule for rule in present if rule.get("ID") != UNCLAIMED_RULE]
    days, prefix = requirements.unclaimed_days, _prefix(requirements)
    if conflict := _conflict(others, days, prefix):
        return RuleState(state="conflict", found=conflict)
    ours = _rule(days, prefix)
    serving = [rule for rule in own if _same(rule, ours)]
    if not own:
        serving = [rule for rule in others if _serves(rule, days, prefix)]
    if serving:
        return RuleState(state="in place", found=_found(serving[0]))

    async def change() -> None:
        rules = [_with_filter(rule) for rule in replaced(present, ours)]
        await write_rules(client, requirements.bucket, rules, options)

    return RuleState(
        state="differs" if own else "missing",
        found=_found(own[0]) if own else "no such rule",
        change=change,
        narrows=any(not _waits_longer(ours, rule) for rule in own),
    )


async def _look_for_leftover(client: "S3Client", bucket: str) -> RuleState:
    """Look for a leftover rule, which would delete tagged objects that are no longer claimed."""
    try:
        present, options = await read_rules(client, bucket)
    except ClientError:
        # If the bucket never had the rule, it need not show its rules.
        present, options = [], {}
    others = [rule for rule in present if rule.get("ID") != UNCLAIMED_RULE]
    if len(others) == len(present):
        return RuleState(state="in place", found="not needed")

    async def remove() -> None:
        await write_rules(client, bucket, others, options)

    (own,) = (rule for rule in present if rule.get("ID") == UNCLAIMED_RULE)
    return RuleState(state="differs", found=_found(own), change=remove, narrows=True)


def _rule(days: int, prefix: str) -> dict[str, Any]:
    return {
        "ID": UNCLAIMED_RULE,
        "Status": "Enabled",
        "Filter": {"And": {"Prefix": prefix, "Tags": [{"Key": TAG, "Value": UNCLAIMED}]}},
        "Expiration": {"Days": days},
        # With versioning, the expiration only hides the object. Versions without the tag stay.
        "NoncurrentVersionExpiration": {"NoncurrentDays": days},
    }


def _with_filter(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the rule for unfinished uploads in the spelling that is compatible with a tag filter."""
    if rule.get("ID") != ABORT_RULE or "Prefix" not in rule:
        return rule
    return {**{k: v for k, v in rule.items() if k != "Prefix"}, "Filter": {"Prefix": rule["Prefix"]}}


def _conflict(rules: Sequence[Mapping[str, Any]], days: int, prefix: str) -> str:
    """Describe a rule that conflicts with ours."""
    for rule in rules:
        if "Prefix" in rule and rule.get("ID") != ABORT_RULE:
            name = rule.get("ID", "without an id")
            return f"rule {name!r} has a Prefix outside of Filter, beside which S3 takes no filter by tag"
        covers, after = _prefix_of(rule), _days(rule)
        touches = covers is not None and (prefix.startswith(covers) or covers.startswith(prefix))
        if rule["Status"] == "Enabled" and touches and after is not None and after < days:
            return f"{_found(rule)}: sooner than unclaimed_expires_in of the policies"
    return ""


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return _facts(one) == _facts(other)


def _facts(rule: Mapping[str, Any]) -> tuple[Any, ...]:
    noncurrent = rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
    return rule["Status"], _days(rule), noncurrent, _prefix_of(rule)


def _waits_longer(rule: Mapping[str, Any], than: Mapping[str, Any]) -> bool:
    """Return whether a rule only gives the same objects more time than another one."""
    same = (rule["Status"], _prefix_of(rule)) == (than["Status"], _prefix_of(than))
    return same and (_days(rule) or 0) >= (_days(than) or 0)


def _serves(rule: Mapping[str, Any], days: int, prefix: str) -> bool:
    covers = _prefix_of(rule)
    if rule["Status"] != "Enabled" or covers is None or not prefix.startswith(covers):
        return False
    return days <= (_days(rule) or 0) <= max(days, LATEST)


def _days(rule: Mapping[str, Any]) -> int | None:
    days = rule.get("Expiration", {}).get("Days")
    return None if days is None else int(days)


def _prefix_of(rule: Mapping[str, Any]) -> str | None:
    """Return the prefix of a rule for objects with our tag; ``None`` if it has other filters."""
    only = rule.get("Filter", {})
    both = only.get("And", {"Tags": [only["Tag"]]} if "Tag" in only else {})
    tags = {tag["Key"]: tag["Value"] for tag in both.get("Tags", [])}
    return str(both.get("Prefix", "")) if tags == _MARK and both.keys() <= {"Prefix", "Tags"} else None


def _found(rule: Mapping[str, Any]) -> str:
    if (prefix := _prefix_of(rule)) is None:
        return f"objects by another filter deleted after {_days(rule)} days" + suffix_of(rule, UNCLAIMED_RULE)
    return _shown(_days(rule) or 0, prefix) + suffix_of(rule, UNCLAIMED_RULE)


def _shown(days: int, prefix: str) -> str:
    where = f"under {prefix}" if prefix else "everywhere"
    return f"unclaimed objects {where} deleted after {days} day{'s' if days > 1 else ''}"


CHECK: Final = Check(
    rule="unclaimed",
    supported=lambda provider: provider.lifecycle_rules and provider.tagging,
    wanted=_wanted,
    look=_look,
    needed=lambda requirements: requirements.unclaimed_days is not None,
)
