"""The bucket policy denies plain HTTP and signatures other than Version 4, and nothing else."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.support.bucket_rules import recorded, required, the
from tests.support.servers import S3Server

from uploadsvc.domain.providers import PROVIDERS
from uploadsvc.provisioning.plan import apply, plan

if TYPE_CHECKING:
    from collections.abc import Callable

THEIRS: dict[str, Any] = {
    "Sid": "ReadByBackup",
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
    "Action": ["s3:GetObject"],
    "Resource": "arn:aws:s3:::any/*",
}


async def put_policy(server: S3Server, policy: dict[str, Any]) -> None:
    """Set a bucket's policy."""
    async with server.client() as client:
        await client.put_bucket_policy(Bucket=server.bucket, Policy=json.dumps(policy))


async def policy_of(server: S3Server) -> dict[str, Any]:
    """Return a bucket's policy."""
    async with server.client() as client:
        policy: dict[str, Any] = json.loads((await client.get_bucket_policy(Bucket=server.bucket))["Policy"])
    return policy


async def applied(server: S3Server, **changed: Any) -> str:  # noqa: ANN401 - what is needed
    """Make the rule, and check that there is nothing to make afterwards."""
    async with recorded(server) as s3:
        done = await apply(s3.client, required(server, **changed), rules=["bucket-policy"])
        s3.writes.clear()
        again = await apply(s3.client, required(server, **changed), rules=["bucket-policy"])
    assert s3.writes == []
    assert the("bucket-policy", again).state == "in place"
    return the("bucket-policy", done).state


def matches(condition: dict[str, dict[str, str]], context: dict[str, str]) -> bool:
    """Evaluate a condition as IAM does: all of its parts, and what a key that is missing means to each.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    rules: dict[str, Callable[[str | None, str], bool]] = {
        "Bool": lambda found, value: found == value,
        "StringNotEquals": lambda found, value: found != value,
        "Null": lambda found, value: (found is None) is (value == "true"),
    }
    return all(
        rules[operator](context.get(key), value)
        for operator, keys in condition.items()
        for key, value in keys.items()
    )


async def test_the_policy_has_two_denials(moto_server: S3Server) -> None:
    """Of all actions, for everybody, on the bucket and its objects."""
    assert await applied(moto_server, tls=True) == "made"
    policy = await policy_of(moto_server)
    arn = f"arn:aws:s3:::{moto_server.bucket}"
    denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}
    assert policy["Version"] == "2012-10-17"
    assert [{k: v for k, v in one.items() if k in denied} for one in policy["Statement"]] == [denied] * 2


@pytest.mark.parametrize(
    ("context", "denied"),
    [
        ({"aws:SecureTransport": "true", "s3:signatureversion": "AWS4-HMAC-SHA256"}, False),
        ({"aws:SecureTransport": "false", "s3:signatureversion": "AWS4-HMAC-SHA256"}, True),
        ({"aws:SecureTransport": "true", "s3:signatureversion": "AWS"}, True),
        ({"aws:SecureTransport": "true", "s3:signatureversion": "AWS4-ECDSA-P256-SHA256"}, True),
        ({"aws:SecureTransport": "true"}, False),
        ({"aws:SecureTransport": "false"}, True),
    ],
)
async def test_other_signature_versions_are_denied_and_unsigned_requests_are_not(
    moto_server: S3Server, context: dict[str, str], *, denied: bool
) -> None:
    """A public ACL may allow unsigned requests."""
    await applied(moto_server, tls=True)
    statements = (await policy_of(moto_server))["Statement"]
    assert any(matches(one["Condition"], context) for one in statements) is denied


@pytest.mark.parametrize("name", ["moto_server", "localstack"])
async def test_without_tls_only_signatures_are_denied(
    name: str, moto_server: S3Server, localstack: S3Server
) -> None:
    """Denying plain HTTP would lock out a store with an http endpoint; the plan says so."""
    found = {"moto_server": moto_server, "localstack": localstack}[name]
    server = replace(found, bucket=await found.create_bucket())
    async with server.client() as client:
        planned = the("bucket-policy", await plan(client, required(server)))
    assert "TLS not asked for: the endpoint is http" in planned.wanted
    assert await applied(server) == "made"
    (statement,) = (await policy_of(server))["Statement"]
    assert "s3:signatureversion" in json.dumps(statement)


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1"])
async def test_arns_have_the_regions_partition(moto_server: S3Server, region: str) -> None:
    """China and GovCloud have their own."""
    await applied(moto_server, region=region)
    (statement,) = (await policy_of(moto_server))["Statement"]
    partition = {"cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov"}[region]
    assert statement["Resource"][0] == f"arn:{partition}:s3:::{moto_server.bucket}"


@pytest.mark.parametrize("one", [THEIRS, [THEIRS], [THEIRS, {**THEIRS, "Sid": "Another"}]])
async def test_other_statements_stay(moto_server: S3Server, one: object) -> None:
    """Even one outside a list, and the policy's id and version."""
    await put_policy(moto_server, {"Version": "2008-10-17", "Id": "theirs", "Statement": one})
    assert await applied(moto_server, tls=True) == "made"
    policy = await policy_of(moto_server)
    theirs = one if isinstance(one, list) else [one]
    assert policy["Statement"][: len(theirs)] == theirs
    assert len(policy["Statement"]) == len(theirs) + 2
    assert (policy["Version"], policy["Id"]) == ("2008-10-17", "theirs")


async def test_our_statements_are_restored(moto_server: S3Server) -> None:
    """After someone changed them, or when TLS is added later."""
    await applied(moto_server)
    assert await applied(moto_server, tls=True) == "changed"
    policy = await policy_of(moto_server)
    policy["Statement"][0]["Effect"] = "Allow"
    await put_policy(moto_server, policy)
    assert await applied(moto_server, tls=True) == "changed"
    assert {one["Effect"] for one in (await policy_of(moto_server))["Statement"]} == {"Deny"}


async def test_another_spelling_of_our_policy_is_in_place(moto_server: S3Server) -> None:
    """AWS reorders lists, and unwraps single values."""
    await applied(moto_server, tls=True)
    policy = await policy_of(moto_server)
    for statement in policy["Statement"]:
        statement["Resource"].reverse()
        statement["Action"] = [statement["Action"]]
    policy["Statement"].reverse()
    await put_policy(moto_server, policy)
    async with recorded(moto_server) as s3:
        done = await apply(s3.client, required(moto_server, tls=True), rules=["bucket-policy"])
    assert the("bucket-policy", done).state == "in place"
    assert s3.writes == []


async def test_a_store_with_other_conditions_gets_no_policy(seaweedfs: S3Server) -> None:
    """SeaweedFS would refuse every request; the plan says why."""
    server = replace(seaweedfs, bucket=await seaweedfs.create_bucket())
    async with server.client() as client:
        done = the("bucket-policy", await apply(client, required(server)))
        await client.put_object(Bucket=server.bucket, Key="uploads/a", Body=b"bytes")
    assert done.state == "unsupported"
    assert "not known to take these conditions" in done.wanted
    assert not PROVIDERS["generic"].policy_conditions


async def test_a_request_without_a_signature_version_is_not_denied(seaweedfs: S3Server) -> None:
    """Checked by an independent engine: SeaweedFS does not know that key."""
    server = replace(seaweedfs, bucket=await seaweedfs.create_bucket())
    assert await applied(server, provider=PROVIDERS["aws"]) == "made"
    async with server.client() as client:
        await client.put_object(Bucket=server.bucket, Key="uploads/a", Body=b"bytes")
        policy = await policy_of(server)
        del policy["Statement"][0]["Condition"]["Null"]
        await put_policy(server, policy)
        with pytest.raises(ClientError, match="AccessDenied"):
            await client.put_object(Bucket=server.bucket, Key="uploads/b", Body=b"bytes")
