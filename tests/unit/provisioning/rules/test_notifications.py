"""Which configurations of others serve, and which S3 would refuse beside ours."""

from typing import Any, Final, cast
from urllib.parse import quote

import pytest

from uploadsvc.domain.providers import PROVIDERS
from uploadsvc.domain.queue_addresses import queue_at
from uploadsvc.provisioning.models import BucketRequirements, RuleState
from uploadsvc.provisioning.rules.notifications import CHECK, EVENTS

QUEUE: Final = queue_at("https://sqs.eu-west-1.amazonaws.com/123456789012/up", region="eu-west-1")
TOPIC: Final = "arn:aws:sns:eu-west-1:123456789012:theirs"


class Bucket:
    """S3's calls about notifications."""

    def __init__(self, **configurations: object) -> None:
        self.kept: dict[str, Any] = configurations

    async def get_bucket_notification_configuration(self, **_: str) -> dict[str, Any]:
        """Return what is kept."""
        return {**self.kept, "ResponseMetadata": {}}

    async def put_bucket_notification_configuration(
        self,
        *,
        Bucket: str,  # noqa: N803 - botocore's names
        NotificationConfiguration: dict[str, Any],  # noqa: N803
    ) -> None:
        """Keep a configuration."""
        assert Bucket == "media"
        self.kept = NotificationConfiguration


def requirements(key_prefix: str = "uploads") -> BucketRequirements:
    fields: dict[str, Any] = dict.fromkeys(BucketRequirements.__dataclass_fields__)
    fields |= {"bucket": "media", "region": "eu-west-1", "provider": PROVIDERS["aws"]}
    return BucketRequirements(**fields | {"key_prefix": key_prefix, "queue": QUEUE})


def sending(*events: str, prefix: str = "", suffix: str = "", **target: str) -> dict[str, Any]:
    """Return a configuration of others, as S3 returns it."""
    rules = [
        {"Name": name, "Value": value} for name, value in (("Prefix", prefix), ("Suffix", suffix)) if value
    ]
    where = {"Filter": {"Key": {"FilterRules": rules}}} if rules else {}
    return {"Id": "theirs", "Events": list(events), **where, **(target or {"TopicArn": TOPIC})}


async def looked(bucket: Bucket, **changed: str) -> RuleState:
    return await CHECK.look(cast("Any", bucket), requirements(**changed))


async def changed(bucket: Bucket, **wanted: str) -> RuleState:
    """Make the change, and check that it lasts."""
    state = await looked(bucket, **wanted)
    assert state.change is not None
    await state.change()
    after = await looked(bucket, **wanted)
    assert (after.state, after.change) == ("in place", None)
    return state


@pytest.mark.parametrize(
    ("other", "refused"),
    [
        (sending("s3:ObjectCreated:*"), True),
        (sending("s3:ObjectCreated:Put", prefix="uploads/alice/"), True),
        (sending("s3:ObjectCreated:*", prefix="up"), True),
        # S3 also compares suffixes, and ours ends in anything.
        (sending("s3:ObjectRemoved:Delete", prefix="uploads/", suffix=".jpg"), True),
        (sending("s3:ObjectTagging:*", suffix=".jpg"), True),
        (sending("s3:ObjectCreated:*", prefix="uploads-of-others/"), False),
        (sending("s3:ObjectCreated:*", prefix="logs/"), False),
        (sending("s3:ObjectRestore:*", "s3:Replication:*"), False),
    ],
)
@pytest.mark.parametrize("kind", ["Topic", "Queue", "LambdaFunction"])
async def test_an_overlap_is_a_conflict(other: dict[str, Any], kind: str, *, refused: bool) -> None:
    """As for S3, for every kind of destination; anything else stays beside ours."""
    theirs = {(f"{kind}Arn" if name == "TopicArn" else name): value for name, value in other.items()}
    bucket = Bucket(**{f"{kind}Configurations": [theirs], "EventBridgeConfiguration": {}})
    if refused:
        state = await looked(bucket)
        assert (state.state, state.change) == ("conflict", None)
        assert f"(theirs) to {TOPIC}" in state.found
        return
    assert (await changed(bucket)).state == "missing"
    assert theirs in bucket.kept[f"{kind}Configurations"]
    assert bucket.kept["EventBridgeConfiguration"] == {}
    assert "ResponseMetadata" not in bucket.kept


@pytest.mark.parametrize(
    ("prefix", "state"), [("", "in place"), ("up", "in place"), ("uploads/a", "conflict")]
)
async def test_an_operators_own_configuration_serves(prefix: str, state: str) -> None:
    """If it sends all to the same queue."""
    theirs = sending(*EVENTS, "s3:Replication:*", prefix=prefix, QueueArn=QUEUE.arn)
    assert (await looked(Bucket(QueueConfigurations=[theirs]))).state == state
    some = {**theirs, "Events": list(EVENTS[1:])}
    assert (await looked(Bucket(QueueConfigurations=[some]))).state == "conflict"
    named = {**theirs, "Filter": {"Key": {"FilterRules": [{"Name": "Suffix", "Value": ".jpg"}]}}}
    assert (await looked(Bucket(QueueConfigurations=[named]))).state == "conflict"


@pytest.mark.parametrize(
    ("change", "narrows"),
    [
        ({"Events": ["s3:ObjectCreated:*"]}, False),
        ({"Events": [*EVENTS, "s3:Replication:*"]}, True),
        ({"QueueArn": f"{QUEUE.arn}-old"}, True),
        ({"Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "old/"}]}}}, True),
        ({"Filter": {"Key": {"FilterRules": []}}}, True),
    ],
)
async def test_our_own_configuration_is_corrected(change: dict[str, Any], *, narrows: bool) -> None:
    """With a question first, if the bucket then sends less."""
    bucket = Bucket()
    await changed(bucket)
    (ours,) = bucket.kept["QueueConfigurations"]
    bucket.kept = {"QueueConfigurations": [{**ours, **change}]}
    state = await changed(bucket)
    assert (state.state, state.narrows) == ("differs", narrows)
    assert bucket.kept["QueueConfigurations"] == [ours]


@pytest.mark.parametrize(
    ("key_prefix", "encoded"),
    [("uploads/eu", "uploads/eu/"), ("my files", "my+files/"), ("a+b", "a%2Bb/"), ("é&", f"{quote('é&')}/")],
)
async def test_the_prefix_is_encoded(key_prefix: str, encoded: str) -> None:
    """As S3 compares it; a plain one is corrected."""
    bucket = Bucket()
    await changed(bucket, key_prefix=key_prefix)
    (ours,) = bucket.kept["QueueConfigurations"]
    (rule,) = ours["Filter"]["Key"]["FilterRules"]
    assert rule == {"Name": "prefix", "Value": encoded}
    rule["Value"] = f"{key_prefix}/"
    assert (await looked(bucket, key_prefix=key_prefix)).state == (
        "in place" if encoded == f"{key_prefix}/" else "differs"
    )
