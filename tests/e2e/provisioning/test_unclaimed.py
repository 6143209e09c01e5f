"""What nobody has claimed is deleted by one lifecycle rule; other rules stay."""

from dataclasses import replace
from typing import Any, Final

import pytest
from tests.support.bucket_rules import recorded, required, the
from tests.support.servers import S3Server

from uploadsvc.provisioning.lifecycle import ABORT_RULE, UNCLAIMED_RULE
from uploadsvc.provisioning.models import Step
from uploadsvc.provisioning.plan import apply, plan

MARK: Final = {"Key": "uploadsvc-state", "Value": "unclaimed"}
OURS: Final[dict[str, Any]] = {
    "ID": UNCLAIMED_RULE,
    "Status": "Enabled",
    "Filter": {"And": {"Prefix": "uploads/", "Tags": [MARK]}},
    "Expiration": {"Days": 7},
    "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
}
ABORT: Final[dict[str, Any]] = {
    "ID": ABORT_RULE,
    "Status": "Enabled",
    "Filter": {"Prefix": "uploads/"},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
}
BY_TAG: Final = {"Tag": MARK}


def deleting(days: int, where: dict[str, Any], status: str = "Enabled") -> dict[str, Any]:
    """Return a rule of others that deletes objects."""
    return {"ID": "theirs", "Status": status, "Filter": where, "Expiration": {"Days": days}}


async def put_rules(server: S3Server, *rules: dict[str, Any]) -> None:
    """Set a bucket's rules."""
    async with server.client() as client:
        configuration: Any = {"Rules": list(rules)}
        await client.put_bucket_lifecycle_configuration(
            Bucket=server.bucket, LifecycleConfiguration=configuration
        )


async def rules_of(server: S3Server) -> list[Any]:
    """Return a bucket's rules."""
    async with server.client() as client:
        return list((await client.get_bucket_lifecycle_configuration(Bucket=server.bucket))["Rules"])


async def applied(server: S3Server, *, days: int | None = 7, **changed: Any) -> Step:  # noqa: ANN401 - what is needed
    """Make both rules, and check that there is nothing to make afterwards."""
    requirements = required(server, unclaimed_days=days, **changed)
    both: Any = ["lifecycle", "unclaimed"]
    async with recorded(server) as s3:
        planned = the("unclaimed", await plan(s3.client, requirements))
        assert s3.writes == []
        done = the("unclaimed", await apply(s3.client, requirements, rules=both))
        assert (planned.state in {"missing", "differs"}) == (done.state in {"made", "changed"})
        s3.writes.clear()
        again = the("unclaimed", await apply(s3.client, requirements, rules=both))
        assert again.state == ("conflict" if done.state == "conflict" else "in place")
        assert s3.writes == []
    return done


@pytest.fixture(params=["moto_server", "seaweedfs", "localstack"])
def server(request: pytest.FixtureRequest) -> S3Server:
    """Run a test on each server."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, S3Server)
    return found


async def test_a_bucket_gets_both_rules_and_keeps_others(server: S3Server) -> None:
    """Ours keeps its place when it changes, and goes when no policy wants it."""
    server = replace(server, bucket=await server.create_bucket())
    theirs = deleting(30, {"Prefix": "logs/"})
    await put_rules(server, theirs)
    assert (await applied(server)).state == "made"
    assert await rules_of(server) == [theirs, ABORT, OURS]
    await put_rules(server, OURS, theirs, ABORT)
    assert (await applied(server, days=9)).state == "changed"
    longer = {**OURS, "Expiration": {"Days": 9}, "NoncurrentVersionExpiration": {"NoncurrentDays": 9}}
    assert await rules_of(server) == [longer, theirs, ABORT]
    done = await applied(server, days=None)
    assert (done.state, done.wanted) == ("changed", "no rule: no policy sets unclaimed_expires_in")
    assert await rules_of(server) == [theirs, ABORT]


async def test_a_new_bucket_lacks_no_rule_that_is_not_needed(moto_server: S3Server) -> None:
    """A plan counts only what `apply` makes."""
    server = replace(moto_server, bucket="no-such-bucket")
    async with server.client() as client:
        steps = await plan(client, required(server, unclaimed_days=None, abort_days=None))
    assert {the(rule, steps).found for rule in ("lifecycle", "unclaimed")} == {"not needed"}


async def test_the_last_rule_goes_with_the_configuration(moto_server: S3Server) -> None:
    """S3 takes no configuration without rules."""
    await put_rules(moto_server, OURS)
    assert (await applied(moto_server, days=None, abort_days=None)).state == "changed"
    async with moto_server.client() as client:
        with pytest.raises(client.exceptions.ClientError, match="NoSuchLifecycleConfiguration"):
            await client.get_bucket_lifecycle_configuration(Bucket=moto_server.bucket)


@pytest.mark.parametrize(
    "changed",
    [
        {"Status": "Disabled"},
        {"Filter": {"Prefix": "uploads/"}},
        {"Filter": BY_TAG},
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
    ],
)
async def test_a_changed_rule_is_restored(moto_server: S3Server, changed: dict[str, Any]) -> None:
    """Above all one that would delete what is claimed."""
    await put_rules(moto_server, ABORT, {**OURS, **changed})
    assert (await applied(moto_server)).state == "changed"
    assert await rules_of(moto_server) == [ABORT, OURS]


@pytest.mark.parametrize(("days", "asked"), [(9, False), (5, True), (None, True)])
async def test_less_time_for_the_unclaimed_is_asked_for(
    moto_server: S3Server, days: int | None, *, asked: bool
) -> None:
    """And so is the end of the rule."""
    await put_rules(moto_server, OURS)
    questions: list[Step] = []

    def refuse(step: Step) -> bool:
        questions.append(step)
        return False

    async with moto_server.client() as client:
        steps = await apply(
            client, required(moto_server, unclaimed_days=days), rules=["unclaimed"], confirm=refuse
        )
    assert the("unclaimed", steps).state == ("not confirmed" if asked else "changed")
    assert bool(questions) is asked


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        (deleting(7, BY_TAG), "in place"),
        (deleting(7, {"And": {"Prefix": "up", "Tags": [MARK]}}), "in place"),
        (deleting(8, BY_TAG), "made"),
        (deleting(7, BY_TAG, "Disabled"), "made"),
        (deleting(7, {"And": {"Prefix": "uploads/a/", "Tags": [MARK]}}), "made"),
        (deleting(7, {"Tag": {"Key": "uploadsvc-state", "Value": "other"}}), "made"),
        (deleting(7, {"And": {"Tags": [MARK, {"Key": "a", "Value": "b"}]}}), "made"),
        (deleting(3, {"Prefix": ""}), "made"),
        (deleting(3, BY_TAG), "conflict"),
        (deleting(3, {"And": {"Prefix": "uploads/a/", "Tags": [MARK]}}), "conflict"),
        (deleting(3, {"And": {"Prefix": "other/", "Tags": [MARK]}}), "made"),
    ],
)
async def test_other_rules_that_delete_the_unclaimed(
    moto_server: S3Server, rule: dict[str, Any], state: str
) -> None:
    """One that does the same is enough, one that does it too early is in the way, and any other stays."""
    await put_rules(moto_server, rule)
    done = await applied(moto_server)
    assert done.state == state
    assert ("'theirs'" in done.found) is (state != "made")
    assert (await rules_of(moto_server))[0] == rule


async def test_rules_in_the_old_style_are_in_the_way(moto_server: S3Server) -> None:
    """S3 takes no mixture; only our own rule is rewritten."""
    old = {name: value for name, value in ABORT.items() if name != "Filter"} | {"Prefix": "uploads/"}
    await put_rules(moto_server, old)
    assert (await applied(moto_server)).state == "made"
    assert await rules_of(moto_server) == [ABORT, OURS]
    await put_rules(moto_server, {**old, "ID": "theirs"})
    done = await applied(moto_server)
    assert (done.state, "'theirs'" in done.found) == ("conflict", True)
