"""Unfinished uploads are aborted once they have expired; other rules stay."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.bucket_rules import recorded, required, the
from tests.support.servers import S3Server

from uploadsvc.provisioning.lifecycle import ABORT_RULE
from uploadsvc.provisioning.models import Step
from uploadsvc.provisioning.plan import apply, plan

FOREIGN: list[dict[str, Any]] = [
    {
        "ID": "archive",
        "Filter": {"And": {"Prefix": "logs/", "Tags": [{"Key": "keep", "Value": "long"}]}},
        "Status": "Enabled",
        "Expiration": {"Date": datetime(2031, 1, 1, tzinfo=UTC)},
    },
    {
        "ID": "versions",
        "Filter": {"Prefix": ""},
        "Status": "Disabled",
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
    },
]
OLD_STYLE: list[dict[str, Any]] = [
    {"ID": "old", "Prefix": "tmp/", "Status": "Enabled", "Expiration": {"Days": 3}},
    {
        "ID": "older",
        "Prefix": "",
        "Status": "Enabled",
        "NoncurrentVersionExpiration": {"NoncurrentDays": 60},
    },
]


def abort(days: int, *, name: str = "theirs", status: str = "Enabled", **where: Any) -> dict[str, Any]:  # noqa: ANN401 - a filter or a prefix
    """Return a rule that aborts unfinished uploads."""
    where = where or {"Filter": {"Prefix": ""}}
    days_after = {"DaysAfterInitiation": days}
    return {"ID": name, "Status": status, **where, "AbortIncompleteMultipartUpload": days_after}


async def put_rules(server: S3Server, rules: list[dict[str, Any]], **options: Any) -> None:  # noqa: ANN401 - of the call
    """Set a bucket's rules."""
    async with server.client() as client:
        await client.put_bucket_lifecycle_configuration(
            Bucket=server.bucket,
            LifecycleConfiguration={"Rules": rules},  # type: ignore[typeddict-item] # as S3 takes them
            **options,
        )


async def configuration_of(server: S3Server) -> dict[str, Any]:
    """Return a bucket's rules, and what goes with them."""
    async with server.client() as client:
        answer = dict(await client.get_bucket_lifecycle_configuration(Bucket=server.bucket))
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


async def applied(server: S3Server, **changed: Any) -> Step:  # noqa: ANN401 - what is needed
    """Make the rule, and check that there is nothing to make afterwards."""
    requirements = required(server, **changed)
    async with recorded(server) as s3:
        planned = the("lifecycle", await plan(s3.client, requirements))
        done = the("lifecycle", await apply(s3.client, requirements, rules=["lifecycle"]))
        assert len(s3.writes) == (planned.state in {"missing", "differs"})
        s3.writes.clear()
        again = the("lifecycle", await apply(s3.client, requirements, rules=["lifecycle"]))
        assert again.state == ("conflict" if done.state == "conflict" else "in place")
        assert s3.writes == []
    return done


@pytest.fixture(params=["moto_server", "seaweedfs", "localstack"])
def server(request: pytest.FixtureRequest) -> S3Server:
    """Run a test on each server."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, S3Server)
    return found


@pytest.fixture(params=["moto_server", "seaweedfs"])
def old_style_server(request: pytest.FixtureRequest) -> S3Server:
    """Run a test on each server that takes rules in the old spelling; LocalStack takes none."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, S3Server)
    return found


async def fresh(server: S3Server) -> S3Server:
    """Give a test a bucket of its own."""
    return replace(server, bucket=await server.create_bucket())


async def test_an_empty_bucket_gets_our_rule(server: S3Server) -> None:
    """For the key prefix."""
    server = await fresh(server)
    assert (await applied(server, key_prefix="media/in")).state == "made"
    (rule,) = (await configuration_of(server))["Rules"]
    assert rule == {
        "ID": ABORT_RULE,
        "Status": "Enabled",
        "Filter": {"Prefix": "media/in/"},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }


async def test_other_rules_stay(server: S3Server) -> None:
    """Ours is appended, and keeps its place when changed."""
    server = await fresh(server)
    await put_rules(server, deepcopy(FOREIGN))
    before = (await configuration_of(server))["Rules"]
    assert len(before) == 2
    assert (await applied(server)).found == "2 other rules"
    *others, ours = (await configuration_of(server))["Rules"]
    assert others == before
    await put_rules(server, [others[0], ours, others[1]])
    assert (await applied(server, abort_days=3)).state == "changed"
    first, ours, second = (await configuration_of(server))["Rules"]
    assert [first, second] == before
    assert ours["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 3}


async def test_old_style_rules_stay(old_style_server: S3Server) -> None:
    """Ours is written in the same style, since S3 refuses a mixture."""
    server = await fresh(old_style_server)
    await put_rules(server, deepcopy(OLD_STYLE))
    before = (await configuration_of(server))["Rules"]
    assert (await applied(server)).state == "made"
    *others, ours = (await configuration_of(server))["Rules"]
    assert others == before
    assert (ours["Prefix"], "Filter" in ours) == ("uploads/", False)


async def test_options_beside_the_rules_stay(moto_server: S3Server) -> None:
    """A write without the minimum size of transitions would reset it."""
    size = "varies_by_storage_class"
    await put_rules(moto_server, deepcopy(FOREIGN), TransitionDefaultMinimumObjectSize=size)
    sent = []
    async with moto_server.client() as client:

        def note(params: dict[str, Any], **_: object) -> None:
            sent.append(params["headers"].get("x-amz-transition-default-minimum-object-size"))

        client.meta.events.register("before-call.s3.PutBucketLifecycleConfiguration", note)
        found = (await configuration_of(moto_server))["TransitionDefaultMinimumObjectSize"]
        await apply(client, required(moto_server), rules=["lifecycle"])
    assert sent == [found]


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        (abort(7), 7),
        (abort(7, Filter={}), 7),
        (abort(7, Prefix=""), 7),
        (abort(7, Filter={"Prefix": "up"}), 7),
        (abort(7, Filter={"Prefix": "uploads/"}), 2),
        (abort(30), 30),
    ],
)
async def test_another_sufficient_rule_is_enough(
    moto_server: S3Server, rule: dict[str, Any], days: int
) -> None:
    """For all keys or ours, within a week or the longest upload."""
    await put_rules(moto_server, [rule])
    done = await applied(moto_server, abort_days=days)
    assert done.state == "in place"
    assert "'theirs'" in done.found


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        (abort(8), 2),
        (abort(31), 30),
        (abort(7, status="Disabled"), 7),
        (abort(7, Filter={"Prefix": "uploads/alice/"}), 7),
        (abort(7, Filter={"Prefix": "other/"}), 7),
        (abort(1, Filter={"Prefix": "other/"}), 7),
        (abort(1, status="Disabled"), 7),
    ],
)
async def test_another_insufficient_rule_is_not_enough(
    moto_server: S3Server, rule: dict[str, Any], days: int
) -> None:
    """Too late, off, or for other keys: ours is added."""
    await put_rules(moto_server, [rule])
    assert (await applied(moto_server, abort_days=days)).state == "made"
    assert len((await configuration_of(moto_server))["Rules"]) == 2


@pytest.mark.parametrize(
    "where", [{"Filter": {"Prefix": ""}}, {"Filter": {"Prefix": "uploads/a"}}, {"Prefix": "uploads/"}]
)
@pytest.mark.parametrize("with_ours", [True, False])
async def test_another_rule_that_aborts_too_early_is_a_conflict(
    moto_server: S3Server, where: dict[str, Any], *, with_ours: bool
) -> None:
    """S3 applies the earliest, so ours would not help."""
    own = {"Prefix": "uploads/"} if "Prefix" in where else {"Filter": {"Prefix": "uploads/"}}
    ours = [abort(7, name=ABORT_RULE, **own)] if with_ours else []
    await put_rules(moto_server, [*ours, abort(1, **where)])
    done = await applied(moto_server)
    assert done.state == "conflict"
    assert "'theirs'" in done.found
    assert "1 day" in done.found
    assert "multipart_expires_in" in done.found


async def test_without_multipart_no_rule_is_needed(moto_server: S3Server) -> None:
    """And S3 is not asked."""
    done = await applied(moto_server, abort_days=None)
    assert (done.state, done.wanted) == ("in place", "no rule: no policy uploads in parts")


@pytest.mark.parametrize("change", [{"Status": "Disabled"}, {"Filter": {"Prefix": "upload"}}])
async def test_a_changed_rule_is_restored(moto_server: S3Server, change: dict[str, Any]) -> None:
    """Turned off, or for other keys."""
    await applied(moto_server)
    (rule,) = (await configuration_of(moto_server))["Rules"]
    await put_rules(moto_server, [{**rule, **change}])
    assert (await applied(moto_server)).state == "changed"
    assert (await configuration_of(moto_server))["Rules"] == [rule]
