"""Make the bucket, and let browsers of the named origins reach it. Both may be repeated."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.type_defs import CORSRuleTypeDef

CORS_RULE_ID: Final = "uploadsvc"
"""Marks the one rule that is ours; the bucket's other rules stay as they are."""

CORS_MAX_AGE: Final = 3600
"""Seconds for which a browser may remember a preflight; browsers have lower limits of their own."""

_METHODS: Final = ("GET", "HEAD", "PUT", "POST")
_DEFAULT_REGION: Final = "us-east-1"


class ProvisioningError(Exception):
    """The bucket could not be set up; the message says what was refused, and why."""


async def ensure_bucket(client: "S3Client", *, bucket: str, region: str) -> None:
    """Make the bucket, unless it is there and ours.

    Args:
        client: S3, with the right to make buckets.
        bucket: Its name.
        region: Where it is to be.

    Raises:
        ProvisioningError: It is somebody else's, or S3 refused or did not answer.
    """
    try:
        if region == _DEFAULT_REGION:
            # S3 takes every region as a constraint but its first.
            await client.create_bucket(Bucket=bucket)
        else:
            await client.create_bucket(
                Bucket=bucket,
                CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]  # any region
            )
    except ClientError as error:
        if _code(error) != "BucketAlreadyOwnedByYou":
            raise _problem(bucket, error) from error
    except BotoCoreError as error:
        raise _problem(bucket, error) from error


async def ensure_cors(client: "S3Client", *, bucket: str, origins: Sequence[str]) -> None:
    """Let pages of these origins upload and download; rules that are not ours are kept.

    Args:
        client: S3, with the right to read and write the bucket's CORS rules.
        bucket: Its name.
        origins: Exact origins, such as ``https://app.example.com``; none takes our rule away.

    Raises:
        ProvisioningError: S3 refused or did not answer.
    """
    try:
        current = await _cors_rules(client, bucket)
        wanted = [rule for rule in current if rule.get("ID") != CORS_RULE_ID]
        if origins:
            wanted.append(_rule(origins))
        if wanted == current:
            return
        if wanted:
            await client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": wanted})
        else:
            await client.delete_bucket_cors(Bucket=bucket)
    except ClientError as error:
        raise _problem(bucket, error) from error
    except BotoCoreError as error:
        raise _problem(bucket, error) from error


async def _cors_rules(client: "S3Client", bucket: str) -> "list[CORSRuleTypeDef]":
    try:
        answer = await client.get_bucket_cors(Bucket=bucket)
    except ClientError as error:
        if _code(error) == "NoSuchCORSConfiguration":
            return []
        raise
    # S3 takes what it gives; the stubs have one type for each direction.
    return cast("list[CORSRuleTypeDef]", answer["CORSRules"])


def _rule(origins: Sequence[str]) -> "CORSRuleTypeDef":
    return {
        "ID": CORS_RULE_ID,
        "AllowedOrigins": list(origins),
        "AllowedMethods": list(_METHODS),
        # What an upload sends depends on its policy: checksum, tags, metadata of any name. Origins are exact
        # and requests are signed: naming the headers would protect nothing, and break with the next policy.
        "AllowedHeaders": ["*"],
        # A browser puts a multipart upload together from the parts' ETags.
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": CORS_MAX_AGE,
    }


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _problem(bucket: str, error: ClientError | BotoCoreError) -> ProvisioningError:
    # botocore names the operation, S3's code and its reason: all that an operator can act on.
    return ProvisioningError(f"bucket {bucket!r} could not be set up: {error}")
