"""The least that IAM has to allow.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from uploadsvc.domain.arns import bucket_arn, objects_arn, partition
from uploadsvc.domain.credentials import TEMPORARY_ACTIONS
from uploadsvc.domain.providers import Provider
from uploadsvc.provisioning.needs import AccessNeeds, BucketRequirements

_VERSION: Final = "2012-10-17"
_ALIAS: Final = re.compile(r"(?:arn:[^:]+:kms:[^:]+:(?P<account>[^:]*):)?(?P<alias>alias/.+)")


def service_policy(needs: AccessNeeds) -> dict[str, Any]:
    """Return the policy of the service's own user or role.

    What callers are handed is signed by it, so this bounds them too.

    Args:
        needs: What the settings make the service do.
    """
    arn = bucket_arn(needs.bucket, region=needs.region)
    objects = objects_arn(needs.bucket, region=needs.region, prefix=f"{needs.key_prefix}/")
    on_objects = ["s3:PutObject", "s3:GetObject"]
    # A federated session has no right that the service lacks.
    federated = needs.sessions and needs.role_arn is None
    parts = needs.multipart or federated
    on_objects += ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"] if parts else []
    on_objects += ["s3:DeleteObject"] if needs.delete else []
    on_objects += ["s3:PutObjectAcl"] if needs.acls else []
    on_objects += ["s3:PutObjectTagging"] if needs.tags else []
    # A prefix could be a condition of a listing alone: asking for the bucket, and for an object that is not
    # there (which is a 403 without this right), names none.
    on_bucket = ["s3:ListBucket"]
    on_bucket += ["s3:ListBucketMultipartUploads"] if needs.multipart else []
    statements = [
        _allow("Objects", on_objects, objects),
        _allow("Bucket", on_bucket, arn),
        *_keys(needs),
        *_sessions(needs),
    ]
    return {"Version": _VERSION, "Statement": statements}


def role_policy(needs: AccessNeeds) -> dict[str, Any]:
    """Return the policy of the role that is assumed for callers who get S3 credentials of their own.

    Each session has a policy besides, for its caller's prefix; what both allow is allowed:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session

    Args:
        needs: What the settings make the service do.
    """
    objects = objects_arn(needs.bucket, region=needs.region, prefix=f"{needs.key_prefix}/")
    return {"Version": _VERSION, "Statement": [_allow("Uploads", TEMPORARY_ACTIONS, objects)]}


def bucket_policy(needs: BucketRequirements) -> dict[str, Any]:
    """Return the policy of whoever runs ``uploadsvc bucket``; to plan, the rights to read are enough.

    Args:
        needs: What the settings ask of the bucket.
    """
    actions = ["s3:CreateBucket", "s3:ListBucket"]
    for name in _settable(needs.provider):
        actions += [f"s3:Get{name}", f"s3:Put{name}"]
    return {
        "Version": _VERSION,
        "Statement": [_allow("BucketRules", actions, bucket_arn(needs.bucket, region=needs.region))],
    }


def _settable(provider: Provider) -> list[str]:
    rules = {
        "BucketPublicAccessBlock": provider.public_access_block,
        "BucketOwnershipControls": provider.ownership_controls,
        "BucketPolicy": provider.policy_conditions,
        "BucketCORS": provider.cors_rules,
        "LifecycleConfiguration": provider.lifecycle_rules,
    }
    return [name for name, has in rules.items() if has]


def _keys(needs: AccessNeeds) -> list[dict[str, Any]]:
    """Allow what S3 asks of KMS on the service's behalf, by the key or by its alias.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    arn = f"arn:{partition(needs.region)}:kms:{needs.region}"
    actions = ["kms:GenerateDataKey", "kms:Decrypt"]
    matches = {key: _ALIAS.fullmatch(key) for key in sorted(needs.kms_keys)}
    keys = [key if key.startswith("arn:") else f"{arn}:*:key/{key}" for key, m in matches.items() if not m]
    statements = [_allow("Keys", actions, *keys)] if keys else []
    aliases = [match for match in matches.values() if match]
    if aliases:
        # Rights on a key are never given by the ARN of its alias:
        # https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
        accounts = sorted({match["account"] or "*" for match in aliases})
        named = {"kms:ResourceAliases": sorted({match["alias"] for match in aliases})}
        statement = _allow("KeysByAlias", actions, *(f"{arn}:{account}:key/*" for account in accounts))
        statements.append({**statement, "Condition": {"ForAnyValue:StringEquals": named}})
    return statements


def _sessions(needs: AccessNeeds) -> list[dict[str, Any]]:
    """Allow to begin sessions. The role's own rights, or for federation the service's, bound them."""
    if not needs.sessions:
        return []
    if needs.role_arn is not None:
        return [_allow("Sessions", ["sts:AssumeRole"], needs.role_arn)]
    # A federated user has no name yet.
    return [_allow("Sessions", ["sts:GetFederationToken"], "*")]


def _allow(sid: str, actions: Iterable[str], *resources: str) -> dict[str, Any]:
    resource = resources[0] if len(resources) == 1 else list(resources)
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}
