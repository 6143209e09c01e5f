"""Bucket policy that denies requests without TLS, and signatures other than Version 4.

https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html
"""

import json
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from uploadsvc.domain.arns import bucket_arn
from uploadsvc.provisioning.documents import comparable, described, listed
from uploadsvc.provisioning.errors import code_of
from uploadsvc.provisioning.models import BucketRequirements, Check, RuleState

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

TLS_SID: Final = "UploadsvcDenyWithoutTls"
SIGNATURE_SID: Final = "UploadsvcDenyOtherSignatures"
_OURS: Final = frozenset({TLS_SID, SIGNATURE_SID})


def _statements(requirements: BucketRequirements) -> list[dict[str, Any]]:
    arn = bucket_arn(requirements.bucket, region=requirements.region)
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
    }
    tls = {"Sid": TLS_SID, **denied, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    # Without "Null" this would deny anonymous requests, which a public ACL may allow: they have no signature
    # version, and a negated operator matches a missing key.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    other = {
        "StringNotEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"},
        "Null": {"s3:signatureversion": "false"},
    }
    signature = {"Sid": SIGNATURE_SID, **denied, "Condition": other}
    return [tls, signature] if requirements.tls else [signature]


def _wanted(requirements: BucketRequirements) -> str:
    if not requirements.provider.policy_conditions:
        return f"left alone: {requirements.provider.name} is not known to take these conditions as AWS does"
    if requirements.tls:
        return "TLS only; Signature Version 4 only"
    return "Signature Version 4 only (TLS not asked for: the endpoint is http)"


async def _look(client: "S3Client", requirements: BucketRequirements) -> RuleState:
    policy = await _policy(client, requirements.bucket)
    present = listed(policy.get("Statement", []))
    own = [statement for statement in present if statement.get("Sid") in _OURS]
    others = [statement for statement in present if statement.get("Sid") not in _OURS]
    wanted = _statements(requirements)
    found = described(own, others)
    if comparable(own) == comparable(wanted):
        return RuleState(state="in place", found=found)

    async def change() -> None:
        merged = {**policy, "Statement": [*others, *wanted]}
        await client.put_bucket_policy(Bucket=requirements.bucket, Policy=json.dumps(merged))

    kept = [comparable(statement) for statement in wanted]
    narrows = any(comparable(statement) not in kept for statement in own)
    return RuleState(state="differs" if own else "missing", found=found, change=change, narrows=narrows)


async def _policy(client: "S3Client", bucket: str) -> dict[str, Any]:
    try:
        answer = await client.get_bucket_policy(Bucket=bucket)
    except ClientError as error:
        if code_of(error) == "NoSuchBucketPolicy":
            return {"Version": "2012-10-17"}
        raise
    policy = json.loads(answer["Policy"])
    if not isinstance(policy, dict):
        message = "a policy is a JSON object"
        raise TypeError(message)
    return policy


CHECK: Final = Check(
    rule="bucket-policy",
    supported=lambda provider: provider.policy_conditions,
    wanted=_wanted,
    look=_look,
)
