"""Notifications about users' objects, from the bucket to the queue.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus, unquote_plus

from uploadsvc.provisioning.models import NO_BUCKET, BucketRequirements, Check, RuleState
from uploadsvc.provisioning.rules.queue import required_queue

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

CONFIGURATION_ID: Final = "uploadsvc"
"""Id of the service's own configuration; the bucket's others stay as they are."""

EVENTS: Final = (
    "s3:ObjectCreated:*",
    "s3:ObjectRemoved:*",
    "s3:ObjectTagging:*",
    "s3:LifecycleExpiration:*",
)
_ARNS: Final = {
    "QueueConfigurations": "QueueArn",
    "TopicConfigurations": "TopicArn",
    "LambdaFunctionConfigurations": "LambdaFunctionArn",
}
_REFUSED_DESTINATION: Final = "InvalidArgument"


def _wanted(requirements: BucketRequirements) -> str:
    return f"{_shown(EVENTS, _prefix(requirements), '')} to {required_queue(requirements).arn}"


def _prefix(requirements: BucketRequirements) -> str:
    return f"{requirements.key_prefix}/"


def _configuration(requirements: BucketRequirements) -> dict[str, Any]:
    # S3 compares the filter with the encoded key, as in notifications.
    encoded = quote_plus(_prefix(requirements), safe="/")
    return {
        "Id": CONFIGURATION_ID,
        "QueueArn": required_queue(requirements).arn,
        "Events": list(EVENTS),
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": encoded}]}},
    }


async def _look(client: "S3Client", requirements: BucketRequirements) -> RuleState:
    answer: Any = await client.get_bucket_notification_configuration(Bucket=requirements.bucket)
    # Everything else, such as the EventBridge switch, is written back unchanged.
    whole = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    queues = whole.get("QueueConfigurations", [])
    own = [one for one in queues if one.get("Id") == CONFIGURATION_ID]
    others = [(one, one[arn]) for kind, arn in _ARNS.items() for one in whole.get(kind, []) if one not in own]
    wanted = _configuration(requirements)
    serving = [one for one in own if _same(one, wanted)]
    if not own:
        serving = [one for one, arn in others if arn == wanted["QueueArn"] and _serves(one, requirements)]
    if serving:
        one = serving[0]
        return RuleState(state="in place", found=f"{_described(one)} to {one['QueueArn']}")
    if in_the_way := [f"{_described(one)} to {arn}" for one, arn in others if _overlaps(one, requirements)]:
        reason = "S3 allows only one destination for an event and a prefix, and the bucket has: "
        return RuleState(state="conflict", found=reason + "; ".join(in_the_way))

    async def change() -> None:
        kept = [one for one in queues if one not in own]
        merged: Any = {**whole, "QueueConfigurations": [*kept, wanted]}
        await client.put_bucket_notification_configuration(
            Bucket=requirements.bucket, NotificationConfiguration=merged
        )

    kept = f"{len(others)} other{'s' if len(others) > 1 else ''}" if others else ""
    mine = [f"{_described(one)} to {one['QueueArn']}" for one in own]
    return RuleState(
        state="differs" if own else "missing",
        found="; ".join(filter(None, [*mine, kept])) or "none",
        change=change,
        narrows=any(not _within(one, wanted) for one in own),
    )


def _same(one: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return _within(one, wanted) and _within(wanted, one)


def _within(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether another of our configurations sends everything that this one sends."""
    same_place = (one["QueueArn"], _rules(one)) == (other["QueueArn"], _rules(other))
    return same_place and set(one["Events"]) <= set(other["Events"])


def _serves(one: Mapping[str, Any], requirements: BucketRequirements) -> bool:
    """Return whether the operator's own configuration for the same queue is sufficient."""
    prefix, suffix = _filters(one)
    all_events = all(any(_includes(event, needed) for event in one["Events"]) for needed in EVENTS)
    return all_events and not suffix and _prefix(requirements).startswith(prefix)


def _overlaps(one: Mapping[str, Any], requirements: BucketRequirements) -> bool:
    """Return whether S3 rejects a configuration beside ours, which has no suffix, so that any overlaps."""
    prefix, ours = _filters(one)[0], _prefix(requirements)
    shared = any(_includes(a, b) or _includes(b, a) for a, b in product(one["Events"], EVENTS))
    return shared and (ours.startswith(prefix) or prefix.startswith(ours))


def _includes(event: str, other: str) -> bool:
    return event == other or (event.endswith(":*") and other.startswith(event.removesuffix("*")))


def _filters(one: Mapping[str, Any]) -> tuple[str, str]:
    """Return prefix and suffix, decoded."""
    rules = {name: unquote_plus(value) for name, value in _rules(one).items()}
    return rules.get("prefix", ""), rules.get("suffix", "")


def _rules(one: Mapping[str, Any]) -> dict[str, str]:
    # S3 returns the names in a different case.
    rules = one.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return {rule["Name"].lower(): rule.get("Value", "") for rule in rules}


def _described(one: Mapping[str, Any]) -> str:
    name = "" if one.get("Id") == CONFIGURATION_ID else f" ({one.get('Id', 'without an id')})"
    return _shown(one["Events"], *_filters(one)) + name


def _shown(events: Sequence[str], prefix: str, suffix: str) -> str:
    where = f" under {prefix}" if prefix else ""
    ends = f" ending in {suffix}" if suffix else ""
    return f"{', '.join(sorted(events))}{where}{ends}"


CHECK: Final = Check(
    rule="notifications",
    supported=lambda provider: provider.queue_notifications,
    wanted=_wanted,
    look=_look,
    for_events=True,
    unsettled=frozenset({NO_BUCKET, _REFUSED_DESTINATION}),
)
