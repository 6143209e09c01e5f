"""Public access is blocked and ACLs are disabled, unless a policy sets an ACL."""

from typing import TYPE_CHECKING

import pytest
from tests.support.bucket_rules import required, states, the
from tests.support.servers import S3Server

from uploadsvc.provisioning.plan import apply, plan

if TYPE_CHECKING:
    from types_aiobotocore_s3.literals import ObjectOwnershipType
    from types_aiobotocore_s3.type_defs import PublicAccessBlockConfigurationTypeDef

ALL_ON: "PublicAccessBlockConfigurationTypeDef" = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


async def switches_of(server: S3Server) -> dict[str, object]:
    """Return a bucket's four switches."""
    async with server.client() as client:
        answer = await client.get_public_access_block(Bucket=server.bucket)
    return dict(answer["PublicAccessBlockConfiguration"])


async def ownership_of(server: S3Server) -> str:
    """Return who owns new objects."""
    async with server.client() as client:
        answer = await client.get_bucket_ownership_controls(Bucket=server.bucket)
    (rule,) = answer["OwnershipControls"]["Rules"]
    return rule["ObjectOwnership"]


@pytest.mark.parametrize("off", [None, *ALL_ON])
async def test_all_four_switches_are_turned_on(moto_server: S3Server, off: str | None) -> None:
    async with moto_server.client() as client:
        if off:
            before: PublicAccessBlockConfigurationTypeDef = {**ALL_ON, off: False}  # type: ignore[misc] # one of the four
            await client.put_public_access_block(
                Bucket=moto_server.bucket, PublicAccessBlockConfiguration=before
            )
        planned = the("public-access", await plan(client, required(moto_server)))
        assert planned.state == ("differs" if off else "missing")
        assert planned.wanted == "all four on"
        assert (off or "not set") in planned.found
        await apply(client, required(moto_server))
    assert await switches_of(moto_server) == ALL_ON


async def test_a_public_acl_turns_two_switches_off(moto_server: S3Server) -> None:
    """A public bucket policy is still refused."""
    async with moto_server.client() as client:
        await apply(client, required(moto_server))
        public = required(moto_server, needs_acls=True, allows_public_acl=True)
        done = await apply(client, public)
        assert the("public-access", done).state == "changed"
        assert "a policy sets a public ACL" in the("public-access", done).wanted
        assert await switches_of(moto_server) == {
            **ALL_ON,
            "BlockPublicAcls": False,
            "IgnorePublicAcls": False,
        }
        assert await ownership_of(moto_server) == "BucketOwnerPreferred"
        assert states(await plan(client, public))["public-access"] == "in place"
        # And back, once no policy does.
        await apply(client, required(moto_server))
    assert await switches_of(moto_server) == ALL_ON
    assert await ownership_of(moto_server) == "BucketOwnerEnforced"


@pytest.mark.parametrize(
    ("before", "needs_acls", "after"),
    [
        (None, False, "BucketOwnerEnforced"),
        ("ObjectWriter", False, "BucketOwnerEnforced"),
        ("BucketOwnerPreferred", False, "BucketOwnerEnforced"),
        (None, True, "BucketOwnerPreferred"),
        ("BucketOwnerEnforced", True, "BucketOwnerPreferred"),
        ("BucketOwnerPreferred", True, "BucketOwnerPreferred"),
        ("ObjectWriter", True, "ObjectWriter"),
    ],
)
async def test_acls_apply_only_if_a_policy_sets_one(
    moto_server: S3Server, before: "ObjectOwnershipType | None", after: str, *, needs_acls: bool
) -> None:
    """A bucket keeps either mode in which they apply."""
    async with moto_server.client() as client:
        if before:
            await client.put_bucket_ownership_controls(
                Bucket=moto_server.bucket, OwnershipControls={"Rules": [{"ObjectOwnership": before}]}
            )
        done = await apply(client, required(moto_server, needs_acls=needs_acls), rules=["ownership"])
    assert states(done)["ownership"] == ("in place" if before == after else "changed" if before else "made")
    assert await ownership_of(moto_server) == after
