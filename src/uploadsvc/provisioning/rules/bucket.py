"""The bucket itself, in its region."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from uploadsvc.provisioning.models import BucketRequirements, Check, RuleState
from uploadsvc.s3.errors import S3Failure

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_FIRST_REGION: Final = "us-east-1"


def _wanted(requirements: BucketRequirements) -> str:
    return f"{requirements.bucket} in {requirements.region}"


async def _look(client: "S3Client", requirements: BucketRequirements) -> RuleState:
    try:
        await client.head_bucket(Bucket=requirements.bucket)
    except ClientError as error:
        # The response to a HEAD has no body, so no code.
        failure = S3Failure.of_error(error)
        region = failure.region or requirements.region
        if failure.status == HTTPStatus.NOT_FOUND:
            return RuleState(state="missing", found="no bucket", change=lambda: _create(client, requirements))
        if region != requirements.region:
            return RuleState(state="conflict", found=f"the bucket is in {region}; set that region")
        if failure.status == HTTPStatus.FORBIDDEN:
            return RuleState(
                state="not allowed", found="S3 says 403: someone else's bucket, or no right to s3:ListBucket"
            )
        raise
    return RuleState(state="in place", found=_wanted(requirements))


async def _create(client: "S3Client", requirements: BucketRequirements) -> None:
    # S3 rejects its first region as a constraint.
    where: dict[str, Any] = {}
    if requirements.region != _FIRST_REGION:
        where["CreateBucketConfiguration"] = {"LocationConstraint": requirements.region}
    await client.create_bucket(Bucket=requirements.bucket, **where)


CHECK: Final = Check(rule="bucket", supported=lambda _: True, wanted=_wanted, look=_look)
