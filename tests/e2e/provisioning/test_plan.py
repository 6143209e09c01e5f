"""A plan changes nothing, `apply` makes the plan's changes, and a second `apply` changes nothing."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from html import escape
from typing import Any, Final
from uuid import uuid4

import pytest
from tests.support.bucket_rules import PLAIN_RULES, recorded, required, states, the
from tests.support.fault_proxy import Answer, Exchange, Fault, fault_proxy, s3_error
from tests.support.servers import S3Server, free_port
from tests.support.sts import answering as answering_requests
from tests.support.stubs import Canned, stub_s3

from uploadsvc.domain.providers import PROVIDERS
from uploadsvc.provisioning.models import ProvisioningError, Step
from uploadsvc.provisioning.plan import apply, plan

NOWHERE: Final = S3Server(
    name="generic",
    endpoint_url="http://127.0.0.1:9",
    access_key_id="test",
    secret_access_key="test",
    bucket="any-bucket",
    strict=True,
)
TOKEN: Final = "FwoGZXIvYXdzE" + "Bc/9+x" * 40 + "=="


def new_bucket(server: S3Server) -> S3Server:
    """Name a bucket that is not there."""
    return replace(server, bucket=f"test-{uuid4().hex}")


@pytest.fixture(params=["moto_server", "seaweedfs", "localstack"])
def server(request: pytest.FixtureRequest) -> S3Server:
    """Run a test on each server, with a bucket that is not there."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, S3Server)
    return new_bucket(found)


async def test_applying_twice_changes_nothing(server: S3Server) -> None:
    """Neither the second time nor a plan sends a write."""
    requirements = required(server)
    async with recorded(server) as s3:
        planned = await plan(s3.client, requirements)
        assert s3.writes == []
        done = await apply(s3.client, requirements)
        made = [step.rule for step in done if step.state in {"made", "changed"}]
        assert len(s3.writes) == len(made)
        s3.writes.clear()
        assert set(states(await plan(s3.client, requirements)).values()) <= {"in place", "unsupported"}
        again = await apply(s3.client, requirements)
        assert set(states(again).values()) <= {"in place", "unsupported"}
        assert s3.writes == []
    supported = {rule for rule, state in states(planned).items() if state == "missing"}
    assert {"bucket", "cors", "lifecycle"} <= supported
    assert {"bucket", "cors", "lifecycle"} <= set(made)
    assert [step.rule for step in planned] == [step.rule for step in again] == list(PLAIN_RULES)


async def test_only_differences_are_written(server: S3Server) -> None:
    async with recorded(server) as s3:
        await apply(s3.client, required(server))
        s3.writes.clear()
        done = await apply(s3.client, required(server, origins=("https://new.example.com",)))
    assert the("cors", done).state == "changed"
    (write,) = s3.writes
    assert write.endswith("?cors")


async def test_only_the_chosen_rules_are_made(moto_server: S3Server) -> None:
    """Others are neither shown nor changed."""
    async with recorded(moto_server) as s3:
        assert list(states(await plan(s3.client, required(moto_server), rules=["cors"]))) == ["cors"]
        assert states(await apply(s3.client, required(moto_server), rules=["cors"])) == {"cors": "made"}
        assert len(s3.writes) == 1
        assert states(await plan(s3.client, required(moto_server)))["lifecycle"] == "missing"


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
async def test_a_bucket_is_created_in_its_region(s3: S3Server, region: str) -> None:
    """S3 refuses its first region as a constraint."""
    server = new_bucket(replace(s3, region=region))
    async with server.client() as client:
        done = await apply(client, required(server), rules=["bucket"])
        assert states(done) == {"bucket": "made"}
        await client.put_object(Bucket=server.bucket, Key="kept", Body=b"bytes")
        assert states(await apply(client, required(server), rules=["bucket"])) == {"bucket": "in place"}
        assert (await client.head_object(Bucket=server.bucket, Key="kept"))["ContentLength"] == 5
        if s3.name == "localstack":
            assert (await client.get_bucket_location(Bucket=server.bucket)).get("LocationConstraint") == (
                None if region == "us-east-1" else region
            )


async def test_other_configuration_is_left_alone(moto_server: S3Server) -> None:
    """Notifications, versioning, encryption, tags and logging."""
    bucket = moto_server.bucket
    async with moto_server.client() as client:
        queue = {"QueueArn": "arn:aws:sqs:us-east-1:123456789012:q", "Events": ["s3:ObjectCreated:*"]}
        await client.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={"QueueConfigurations": [queue]},  # type: ignore[list-item] # these two
        )
        await client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        await client.put_bucket_tagging(
            Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "media"}]}
        )
        rule: Any = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
        await client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})

        async def others() -> list[dict[str, Any]]:
            answers = [
                await client.get_bucket_notification_configuration(Bucket=bucket),
                await client.get_bucket_versioning(Bucket=bucket),
                await client.get_bucket_tagging(Bucket=bucket),
                await client.get_bucket_encryption(Bucket=bucket),
            ]
            return [{k: v for k, v in one.items() if k != "ResponseMetadata"} for one in answers]

        before = await others()
        assert all(before)
        assert "made" in states(await apply(client, required(moto_server))).values()
        assert await others() == before


async def test_event_notifications_stay_on_localstack(localstack: S3Server) -> None:
    """Which validates them as S3 does."""
    bucket = await localstack.create_bucket()
    server = replace(localstack, bucket=bucket)
    async with server.client() as client:
        await client.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        await client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        await apply(client, required(server))
        kept = await client.get_bucket_notification_configuration(Bucket=bucket)
        assert kept["EventBridgeConfiguration"] == {}
        assert (await client.get_bucket_versioning(Bucket=bucket))["Status"] == "Enabled"


def answering(refused: str, answer: Answer, *, method: str = "GET") -> Callable[[Exchange], Fault | None]:
    """Have one kind of request answered in another way."""

    def choose(exchange: Exchange) -> Fault | None:
        asked = exchange.target.partition("?")[2].rstrip("=")
        return answer if (exchange.method, asked) == (method, refused) else None

    return choose


@pytest.mark.parametrize(
    ("subresource", "rule"),
    [
        ("cors", "cors"),
        ("lifecycle", "lifecycle"),
        ("publicAccessBlock", "public-access"),
        ("ownershipControls", "ownership"),
        ("policy", "bucket-policy"),
    ],
)
@pytest.mark.parametrize(
    ("answer", "state", "found"),
    [
        (s3_error(403, "AccessDenied", "Canned."), "not allowed", "S3 says AccessDenied: Canned."),
        (s3_error(501, "NotImplemented", "No."), "unsupported", "does not support this (NotImplemented)"),
        (s3_error(405, "MethodNotAllowed", "No."), "unsupported", "does not support this (MethodNotAllowed)"),
        (s3_error(400, "MalformedXML", "Canned."), "failed", "S3 says MalformedXML: Canned."),
    ],
)
async def test_a_refused_rule_does_not_stop_the_others(  # noqa: PLR0917 - pytest names them
    moto_server: S3Server, subresource: str, rule: str, answer: Answer, state: str, found: str
) -> None:
    """Refused while reading or writing, it says why."""
    for method in ("GET", "PUT"):
        server = replace(moto_server, bucket=await moto_server.create_bucket())
        chosen = answering(subresource, answer, method=method)
        async with fault_proxy(server.endpoint_url) as proxy:
            proxy.rule = chosen
            async with replace(server, endpoint_url=proxy.url).client() as client:
                done = await apply(client, required(server))
        assert the(rule, done).state == state
        assert found in the(rule, done).found
        # Two rules are in the configuration of the lifecycle.
        same = {rule, "bucket", *(["unclaimed"] if rule == "lifecycle" else [])}
        others = {step.rule: step.state for step in done if step.rule not in same}
        assert set(others.values()) == {"made"}
        assert len(others) == len(PLAIN_RULES) - len(same)
        assert "\n" not in "".join(step.found + step.wanted for step in done)


@pytest.mark.parametrize("body", [b"", b"<html><body>Log in", b"<html><body>Log in</body></html>", b"[]"])
@pytest.mark.parametrize("act", [plan, apply])
async def test_an_answer_that_is_not_s3s_is_a_failure(
    moto_server: S3Server, act: Callable[..., Awaitable[list[Step]]], body: bytes
) -> None:
    """Such as a login page; other rules are still compared."""
    page = Answer(status=200, body=body, headers={"Content-Type": "text/html"})
    async with fault_proxy(moto_server.endpoint_url) as proxy:
        proxy.rule = answering("policy", page)
        async with replace(moto_server, endpoint_url=proxy.url).client() as client:
            found = await act(client, required(moto_server))
    failed = the("bucket-policy", found)
    assert failed.state == "failed"
    assert failed.found.startswith("the response is not from S3, or not for this request (")
    assert "Log in" not in failed.found
    assert len(found) == len(PLAIN_RULES)


async def test_a_change_that_does_not_last_is_a_failure() -> None:
    """A server that answers 200 to everything is not a bucket."""
    page = Canned(status=200, body="<html><body>Log in</body></html>", content_type="text/html")
    async with stub_s3(page) as stub:
        server = replace(NOWHERE, endpoint_url=stub.endpoint_url)
        async with server.client() as client:
            done = await apply(client, required(server, provider=PROVIDERS["generic"]))
    told = {step.rule: step for step in done}
    assert {told[rule].state for rule in ("cors", "lifecycle")} == {"failed"}
    assert told["cors"].found == "the change was accepted but not kept: no rules"


async def test_a_late_change_is_read_again(moto_server: S3Server) -> None:
    """S3 may return the old configuration for a moment."""
    stale = 2
    absent = s3_error(404, "NoSuchCORSConfiguration", "None.")

    def rule(exchange: Exchange) -> Fault | None:
        return absent if exchange.method == "GET" and len(proxy.sent("GET")) < stale else None

    async with fault_proxy(moto_server.endpoint_url) as proxy:
        proxy.rule = rule
        async with replace(moto_server, endpoint_url=proxy.url).client() as client:
            done = await apply(client, required(moto_server), rules=["cors"])
        assert states(done) == {"cors": "made"}
        assert len(proxy.sent("GET")) == stale + 1


@pytest.mark.parametrize("message", ["", "  \n "])
@pytest.mark.parametrize("act", [plan, apply])
async def test_a_refusal_without_a_message_is_reported(
    act: Callable[..., Awaitable[list[Step]]], message: str
) -> None:
    body = f"<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>"
    async with stub_s3(Canned(status=403, body=body)) as stub:
        server = replace(NOWHERE, endpoint_url=stub.endpoint_url)
        async with server.client() as client:
            found = await act(client, required(server))
    assert the("cors", found).state == "not allowed"
    assert the("cors", found).found == "S3 says AccessDenied"


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize("name", ["x-amz-security-token", "authorization"])
@pytest.mark.parametrize("named", ["{0}: {1}", "'{0}': '{1}'", "{0}={1}", "{1}"])
async def test_a_repeated_request_reveals_no_secret(status: int, name: str, named: str) -> None:
    """Neither session token nor signature, with or without names."""
    seen: list[str] = []

    async def reflect(request: str, headers: Mapping[str, str]) -> tuple[int, str]:
        if request.startswith("HEAD"):
            return 200, ""
        seen.append(headers["x-amz-security-token"])
        words = escape(f"What came was {named.format(name, headers[name])} {'and more ' * 40}")
        return status, f"<Error><Code>Odd</Code><Message>{words}</Message></Error>"

    async with answering_requests(reflect) as url:
        server = replace(NOWHERE, endpoint_url=url, session_token=TOKEN)
        async with server.client() as client:
            found = await plan(client, required(server))
    assert set(seen) == {TOKEN}
    told = " ".join(step.found for step in found)
    assert "[redacted]" in told
    assert TOKEN[:20] not in told
    assert not re.search(r"[0-9a-f]{20}", told)
    assert max(len(step.found) for step in found) < 250


@pytest.mark.parametrize("rule", ["public-access", "ownership"])
async def test_an_answer_to_another_request_is_unsupported(moto_server: S3Server, rule: str) -> None:
    """The rule is not written."""
    subresource = {"public-access": "publicAccessBlock", "ownership": "ownershipControls"}[rule]
    listing = Answer(status=200, body=b"<ListBucketResult><Name>any-bucket</Name></ListBucketResult>")
    async with fault_proxy(moto_server.endpoint_url) as proxy:
        proxy.rule = answering(subresource, listing)
        async with replace(moto_server, endpoint_url=proxy.url).client() as client:
            assert the(rule, await apply(client, required(moto_server))).state == "unsupported"
        assert not any(subresource in exchange.target for exchange in proxy.sent("PUT"))


@pytest.mark.parametrize("name", sorted(PROVIDERS))
async def test_unsupported_rules_are_not_requested(name: str, moto_server: S3Server) -> None:
    provider = PROVIDERS[name]
    lacks = {
        "public-access": not provider.public_access_block,
        "ownership": not provider.ownership_controls,
        "bucket-policy": not provider.policy_conditions,
        "cors": not provider.cors_rules,
        "lifecycle": not provider.lifecycle_rules,
        "unclaimed": not (provider.lifecycle_rules and provider.tagging),
    }
    server = new_bucket(moto_server)
    async with recorded(server) as s3:
        done = states(await apply(s3.client, required(server, provider=provider)))
    assert {rule for rule, state in done.items() if state == "unsupported"} == {
        rule for rule, lacking in lacks.items() if lacking
    }
    assert len(s3.writes) == 7 - sum(lacks.values())


async def test_without_a_bucket_no_rule_is_made(s3: S3Server) -> None:
    """The bucket's step has S3's reason."""
    server = replace(s3, bucket="UP.Loads")
    async with recorded(server) as client:
        done = await apply(client.client, required(server))
        assert len(client.writes) == 1
    assert the("bucket", done).state == "failed"
    assert "InvalidBucketName" in the("bucket", done).found
    assert {step.state for step in done if step.rule != "bucket"} <= {"missing", "unsupported"}


async def test_someone_elses_bucket_is_not_allowed() -> None:
    """It is not taken for a missing one."""
    async with stub_s3(Canned(status=403, code="AccessDenied")) as stub:
        server = replace(NOWHERE, endpoint_url=stub.endpoint_url)
        async with server.client() as client:
            done = await apply(client, required(server, provider=PROVIDERS["aws"]))
    assert set(states(done).values()) == {"not allowed"}
    assert "someone else's bucket" in the("bucket", done).found
    assert {request.split()[0] for request in stub.requests} == {"HEAD", "GET"}


async def test_a_bucket_in_another_region_is_a_conflict(localstack: S3Server) -> None:
    """The step names its region."""
    server = new_bucket(replace(localstack, region="eu-central-1"))
    headers = [("x-amz-bucket-region", "eu-west-3")]
    async with stub_s3(Canned(status=301, headers=headers)) as stub:
        other = replace(server, endpoint_url=stub.endpoint_url)
        async with other.client() as client:
            found = await plan(client, required(other), rules=["bucket"])
    assert states(found) == {"bucket": "conflict"}
    assert "eu-west-3" in found[0].found


@pytest.mark.parametrize("act", [plan, apply])
async def test_an_unreachable_s3_is_reported(act: Callable[..., Awaitable[object]]) -> None:
    """In one line that names the bucket."""
    server = replace(NOWHERE, endpoint_url=f"http://127.0.0.1:{free_port()}")
    async with server.client() as client:
        with pytest.raises(ProvisioningError, match=r"bucket 'any-bucket' could not be .*connect"):
            await act(client, required(server))
