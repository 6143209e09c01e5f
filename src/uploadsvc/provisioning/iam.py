"""Least-privilege IAM policies for the service, its role, `uploadsvc bucket` and `uploadsvc events`.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from uploadsvc.domain.arns import bucket_arn, objects_arn, partition
from uploadsvc.domain.credentials import TEMPORARY_ACTIONS
from uploadsvc.domain.providers import Provider
from uploadsvc.provisioning.models import AccessRequirements, BucketRequirements

_VERSION: Final = "2012-10-17"
_CLAIMING: Final = (
    "s3:GetObjectTagging",
    "s3:DeleteObjectTagging",
    # In a versioned bucket, a claim is for one version.
    "s3:GetObjectVersion",
    "s3:GetObjectVersionTagging",
    "s3:PutObjectVersionTagging",
    "s3:DeleteObjectVersionTagging",
)
_ALIAS: Final = re.compile(r"(?:arn:[^:]+:kms:[^:]+:(?P<account>[^:]*):)?(?P<alias>alias/.+)")


def service_policy(access: AccessRequirements) -> dict[str, Any]:
    """Return the policy of the service's own user or role.

    It also limits presigned URLs and forms, which the service signs.
    """
    arn = bucket_arn(access.bucket, region=access.region)
    objects = objects_arn(access.bucket, region=access.region, prefix=f"{access.key_prefix}/")
    on_objects = ["s3:PutObject", "s3:GetObject"]
    # A federated session has no rights that the service lacks.
    federated = access.sessions and access.role_arn is None
    parts = access.multipart or federated
    on_objects += ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"] if parts else []
    on_objects += ["s3:DeleteObject"] if access.delete else []
    on_objects += ["s3:PutObjectAcl"] if access.acls else []
    on_objects += ["s3:PutObjectTagging"] if access.tags else []
    on_objects += _CLAIMING if access.claims else []
    # Also for versions, because a verified or scanned object is one version.
    on_objects += ["s3:GetObjectTagging", "s3:GetObjectVersionTagging"] if access.scans else []
    # Pushed notifications contain the version too.
    on_objects += ["s3:GetObjectVersion"] if access.verifies or access.scans or access.pushed else []
    on_objects += ["s3:DeleteObject"] if access.removes and not access.delete else []
    on_objects += ["s3:DeleteObjectVersion"] if access.removes else []
    # Without a prefix condition: HeadBucket and HeadObject name no prefix, and HeadObject responds with 403
    # for a missing object without this right.
    on_bucket = ["s3:ListBucket"]
    on_bucket += ["s3:ListBucketMultipartUploads"] if access.multipart else []
    statements = [
        _allow("Objects", dict.fromkeys(on_objects), objects),
        _allow("Bucket", on_bucket, arn),
        *_keys(access),
        *_sessions(access),
        *_sending(access),
    ]
    return {"Version": _VERSION, "Statement": statements}


def events_policy(access: AccessRequirements) -> dict[str, Any]:
    """Return the policy for running ``uploadsvc events`` with a queue, and its ``redrive``.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html

    Raises:
        ValueError: The settings have no queue.
    """
    if access.queue is None:
        message = "no queue is set"
        raise ValueError(message)
    objects = objects_arn(access.bucket, region=access.region, prefix=f"{access.key_prefix}/")
    reads = [
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
    ]
    on_objects = ["s3:GetObject", "s3:GetObjectVersion"]
    on_objects += ["s3:GetObjectTagging", "s3:GetObjectVersionTagging"] if access.scans else []
    on_objects += ["s3:DeleteObject", "s3:DeleteObjectVersion"] if access.removes else []
    statements = [
        _allow("Objects", on_objects, objects),
        # Without it, S3 responds with 403 for a missing object.
        _allow("Bucket", ["s3:ListBucket"], bucket_arn(access.bucket, region=access.region)),
        # HeadObject returns checksums of encrypted objects only to callers that may decrypt.
        *_keys(access, actions=("kms:Decrypt",)),
        _allow("Queue", [*reads, "sqs:SendMessage"], access.queue.arn),
        _allow("DeadLetters", [*reads, "sqs:GetQueueUrl"], access.queue.dead_letters.arn),
        *_targets(access),
    ]
    return {"Version": _VERSION, "Statement": statements}


def role_policy(access: AccessRequirements) -> dict[str, Any]:
    """Return the policy of the role that the service assumes to issue S3 credentials.

    A session policy narrows each session to its caller's prefix; a call needs both to allow it:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
    """
    objects = objects_arn(access.bucket, region=access.region, prefix=f"{access.key_prefix}/")
    return {"Version": _VERSION, "Statement": [_allow("Uploads", TEMPORARY_ACTIONS, objects)]}


def provisioner_policy(bucket: BucketRequirements) -> dict[str, Any]:
    """Return the policy for running ``uploadsvc bucket``.

    ``bucket plan`` needs only the read permissions.
    """
    actions = ["s3:CreateBucket", "s3:ListBucket"]
    for name in _settable(bucket.provider):
        actions += [f"s3:Get{name}", f"s3:Put{name}"]
    queues = []
    if bucket.queue is not None and bucket.provider.queue_notifications:
        actions += ["s3:GetBucketNotification", "s3:PutBucketNotification"]
        on_queues = ["sqs:CreateQueue", "sqs:GetQueueAttributes", "sqs:SetQueueAttributes"]
        queues = [_allow("Queues", on_queues, bucket.queue.arn, bucket.queue.dead_letters.arn)]
    statements = [_allow("BucketRules", actions, bucket_arn(bucket.bucket, region=bucket.region)), *queues]
    return {"Version": _VERSION, "Statement": statements}


def _settable(provider: Provider) -> list[str]:
    rules = {
        "BucketPublicAccessBlock": provider.public_access_block,
        "BucketOwnershipControls": provider.ownership_controls,
        "BucketPolicy": provider.policy_conditions,
        "BucketCORS": provider.cors_rules,
        "LifecycleConfiguration": provider.lifecycle_rules,
    }
    return [name for name, has in rules.items() if has]


def _sending(access: AccessRequirements) -> list[dict[str, Any]]:
    """Allow sending notifications to the queue or, without a queue, events to receivers."""
    if access.queue is None:
        return _targets(access)
    return [_allow("Queue", ["sqs:SendMessage"], access.queue.arn)] if access.pushed else []


def _targets(access: AccessRequirements) -> list[dict[str, Any]]:
    """Allow sending events to the queues and topics of the settings."""
    queues, topics = sorted(access.target_queues), sorted(access.target_topics)
    return [
        *([_allow("TargetQueues", ["sqs:SendMessage"], *queues)] if queues else []),
        *([_allow("TargetTopics", ["sns:Publish"], *topics)] if topics else []),
    ]


def _keys(
    access: AccessRequirements, *, actions: Sequence[str] = ("kms:GenerateDataKey", "kms:Decrypt")
) -> list[dict[str, Any]]:
    """Allow the calls that S3 makes to KMS for the service, by key or by alias.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    arn = f"arn:{partition(access.region)}:kms:{access.region}"
    matches = {key: _ALIAS.fullmatch(key) for key in sorted(access.kms_keys)}
    keys = [key if key.startswith("arn:") else f"{arn}:*:key/{key}" for key, m in matches.items() if not m]
    statements = [_allow("Keys", actions, *keys)] if keys else []
    aliases = [match for match in matches.values() if match]
    if aliases:
        # The ARN of an alias grants nothing on the key itself:
        # https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
        accounts = sorted({match["account"] or "*" for match in aliases})
        named = {"kms:ResourceAliases": sorted({match["alias"] for match in aliases})}
        statement = _allow("KeysByAlias", actions, *(f"{arn}:{account}:key/*" for account in accounts))
        statements.append({**statement, "Condition": {"ForAnyValue:StringEquals": named}})
    return statements


def _sessions(access: AccessRequirements) -> list[dict[str, Any]]:
    """Allow starting sessions. They are limited by the role's rights; with federation, by the service's."""
    if not access.sessions:
        return []
    if access.role_arn is not None:
        return [_allow("Sessions", ["sts:AssumeRole"], access.role_arn)]
    # The federated user's name differs for each caller.
    return [_allow("Sessions", ["sts:GetFederationToken"], "*")]


def _allow(sid: str, actions: Iterable[str], *resources: str) -> dict[str, Any]:
    resource = resources[0] if len(resources) == 1 else list(resources)
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}
