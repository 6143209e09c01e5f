"""The bucket itself."""

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from uploadsvc.provisioning.models import Check, RuleState
from uploadsvc.provisioning.needs import BucketRequirements

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_FIRST_REGION: Final = "us-east-1"


def _wanted(needs: BucketRequirements) -> str:
    return f"{needs.bucket} in {needs.region}"


async def _look(client: "S3Client", needs: BucketRequirements) -> RuleState:
    try:
        await client.head_bucket(Bucket=needs.bucket)
    except ClientError as error:
        answer = error.response["ResponseMetadata"]
        region = answer["HTTPHeaders"].get("x-amz-bucket-region", needs.region)
        if answer["HTTPStatusCode"] == 404:  # noqa: PLR2004 - a HEAD's answer has no body, and so no code
            return RuleState(state="missing", found="no bucket", change=lambda: _create(client, needs))
        if region != needs.region:
            return RuleState(state="conflict", found=f"the bucket is in {region}; set the region to that")
        if answer["HTTPStatusCode"] == 403:  # noqa: PLR2004 - see above
            return RuleState(state="not allowed", found="S3 says 403: another's bucket, or no s3:ListBucket")
        raise
    return RuleState(state="in place", found=_wanted(needs))


async def _create(client: "S3Client", needs: BucketRequirements) -> None:
    # S3 takes every region as a constraint but its first.
    where: dict[str, Any] = {}
    if needs.region != _FIRST_REGION:
        where["CreateBucketConfiguration"] = {"LocationConstraint": needs.region}
    await client.create_bucket(Bucket=needs.bucket, **where)


CHECK: Final = Check(rule="bucket", supported=lambda _: True, wanted=_wanted, look=_look)
