"""Setting up the bucket may be repeated, takes nothing away, and browsers then see it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest
from tests.servers import S3Server, free_port

from uploadsvc.dev.seaweedfs import run_seaweedfs
from uploadsvc.domain.credentials import Credentials
from uploadsvc.provisioning.bucket import CORS_RULE_ID, ProvisioningError, ensure_bucket, ensure_cors

if TYPE_CHECKING:
    from types_aiobotocore_s3.type_defs import CORSRuleTypeDef

ORIGIN = "https://app.example.com"
FOREIGN_RULE: "CORSRuleTypeDef" = {
    "ID": "theirs",
    "AllowedOrigins": ["https://other.example.com"],
    "AllowedMethods": ["GET"],
}


async def preflight(server: S3Server, bucket: str, *, origin: str, method: str = "PUT") -> httpx.Response:
    """Ask as a browser asks before it uploads."""
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type,if-none-match,x-amz-checksum-sha256",
    }
    async with httpx.AsyncClient() as client:
        return await client.options(
            f"{server.endpoint_url}/{bucket}/uploads/alice/photo.jpg", headers=headers
        )


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
async def test_a_bucket_is_made_once_and_found_again(s3: S3Server, region: str) -> None:
    """The second call finds what the first has made, in the first region and in others."""
    bucket = f"test-{uuid4().hex}"
    async with replace(s3, region=region).client() as client:
        await ensure_bucket(client, bucket=bucket, region=region)
        await client.put_object(Bucket=bucket, Key="kept", Body=b"bytes")
        await ensure_bucket(client, bucket=bucket, region=region)
        answer = await client.head_object(Bucket=bucket, Key="kept")
    assert answer["ContentLength"] == 5


async def test_a_bad_name_is_refused_with_its_reason(s3: S3Server) -> None:
    """The message names the bucket and gives S3's own code."""
    async with s3.client() as client:
        with pytest.raises(ProvisioningError, match=r"'UP\.Loads' .*InvalidBucketName"):
            await ensure_bucket(client, bucket="UP.Loads", region="us-east-1")


async def test_somebody_elses_bucket_is_refused(tmp_path: Path) -> None:
    """A bucket that is there and not ours is never taken for ours."""
    theirs = Credentials(access_key_id="AKIATHEIRS", secret_access_key="t" * 40)
    ours = Credentials(access_key_id="AKIAOURS", secret_access_key="o" * 40)
    async with run_seaweedfs(directory=tmp_path, credentials=theirs, identities={"ours": ours}) as running:
        server = S3Server(
            name="seaweedfs",
            endpoint_url=running.endpoint_url,
            access_key_id=theirs.access_key_id,
            secret_access_key=theirs.secret_access_key,
            bucket="taken-by-them",
            strict=True,
        )
        await server.create_bucket(server.bucket)
        us = replace(server, access_key_id=ours.access_key_id, secret_access_key=ours.secret_access_key)
        async with us.client() as client:
            with pytest.raises(ProvisioningError, match=r"'taken-by-them' .*BucketAlreadyExists"):
                await ensure_bucket(client, bucket=server.bucket, region=server.region)


async def test_a_bucket_that_is_missing_has_no_cors(s3: S3Server) -> None:
    """Setting rules on a bucket that is not there says which bucket."""
    async with s3.client() as client:
        with pytest.raises(ProvisioningError, match=r"'missing-bucket' .*NoSuchBucket"):
            await ensure_cors(client, bucket="missing-bucket", origins=[ORIGIN])


async def test_an_s3_that_is_down_is_said_so() -> None:
    """No answer is a plain error too, for each call."""
    nowhere = S3Server(
        name="nowhere",
        endpoint_url=f"http://127.0.0.1:{free_port()}",
        access_key_id="test",
        secret_access_key="test",
        bucket="any-bucket",
        strict=True,
    )
    async with nowhere.client() as client:
        with pytest.raises(ProvisioningError, match="'any-bucket' could not be set up: Could not connect"):
            await ensure_bucket(client, bucket=nowhere.bucket, region=nowhere.region)
        with pytest.raises(ProvisioningError, match="'any-bucket' could not be set up: Could not connect"):
            await ensure_cors(client, bucket=nowhere.bucket, origins=[ORIGIN])


async def test_a_browser_of_a_named_origin_may_upload_and_others_may_not(s3: S3Server) -> None:
    """Before the rule nobody may; with it exactly the named origins."""
    bucket = await s3.create_bucket()
    assert (await preflight(s3, bucket, origin=ORIGIN)).status_code == 403
    async with s3.client() as client:
        await ensure_cors(client, bucket=bucket, origins=[ORIGIN])
    for method in ("PUT", "POST", "GET", "HEAD"):
        allowed = await preflight(s3, bucket, origin=ORIGIN, method=method)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == ORIGIN
        assert method in allowed.headers["access-control-allow-methods"]
        assert "x-amz-checksum-sha256" in allowed.headers["access-control-allow-headers"].lower()
    refused = await preflight(s3, bucket, origin="https://evil.example.com")
    assert "access-control-allow-origin" not in refused.headers


async def test_our_rule_is_replaced_and_foreign_rules_stay(s3: S3Server) -> None:
    """Repeating changes nothing; other origins replace ours; none takes ours away; theirs is always there."""
    bucket = await s3.create_bucket()
    async with s3.client() as client:
        await client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [FOREIGN_RULE]})
        for origins in ([ORIGIN], [ORIGIN], ["https://new.example.com"]):
            await ensure_cors(client, bucket=bucket, origins=origins)
            theirs, ours = (await client.get_bucket_cors(Bucket=bucket))["CORSRules"]
            assert (theirs["ID"], theirs["AllowedOrigins"]) == ("theirs", FOREIGN_RULE["AllowedOrigins"])
            assert (ours["ID"], ours["AllowedOrigins"]) == (CORS_RULE_ID, origins)
            assert ours["ExposeHeaders"] == ["ETag"]
        await ensure_cors(client, bucket=bucket, origins=[])
        (theirs,) = (await client.get_bucket_cors(Bucket=bucket))["CORSRules"]
    assert theirs["ID"] == "theirs"


async def test_without_origins_and_foreign_rules_nothing_is_left(s3: S3Server) -> None:
    """A bucket whose only rule was ours has no CORS afterwards, and taking it away twice is fine."""
    bucket = await s3.create_bucket()
    async with s3.client() as client:
        await ensure_cors(client, bucket=bucket, origins=[ORIGIN])
        await ensure_cors(client, bucket=bucket, origins=[])
        await ensure_cors(client, bucket=bucket, origins=[])
    assert (await preflight(s3, bucket, origin=ORIGIN)).status_code == 403
