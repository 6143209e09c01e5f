"""Read a bucket's lifecycle configuration, and replace one of its rules."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from uploadsvc.provisioning.errors import code_of

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

ABORT_RULE: Final = "uploadsvc-abort-unfinished"
UNCLAIMED_RULE: Final = "uploadsvc-delete-unclaimed"
"""Ids of the service's own rules; the bucket's other rules stay as they are."""

LATEST: Final = 7
"""Another rule with the same effect within this many days is accepted instead of ours."""

_SIZES: Final = "TransitionDefaultMinimumObjectSize"


async def read_rules(client: "S3Client", bucket: str) -> tuple[list[Any], dict[str, Any]]:
    """Return the rules, and the options that a write has to repeat to keep them."""
    try:
        answer: Mapping[str, Any] = await client.get_bucket_lifecycle_configuration(Bucket=bucket)
    except ClientError as error:
        if code_of(error) == "NoSuchLifecycleConfiguration":
            return [], {}
        raise
    return answer.get("Rules", []), {_SIZES: answer[_SIZES]} if _SIZES in answer else {}


async def write_rules(
    client: "S3Client", bucket: str, rules: Sequence[Any], options: Mapping[str, Any]
) -> None:
    """Replace all rules. Without any, delete the configuration, because S3 rejects an empty one."""
    if rules:
        await client.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": list(rules)}, **options
        )
    else:
        await client.delete_bucket_lifecycle(Bucket=bucket)


def replaced(present: Sequence[Mapping[str, Any]], ours: Mapping[str, Any]) -> list[Any]:
    """Return the rules with ours replacing the one with its id, or at the end."""
    if all(rule.get("ID") != ours["ID"] for rule in present):
        return [*present, ours]
    return [ours if rule.get("ID") == ours["ID"] else rule for rule in present]


def suffix_of(rule: Mapping[str, Any], own: str) -> str:
    """Return the suffix of a rule's description: that it is disabled, and its id unless it is ours."""
    name = "" if rule.get("ID") == own else f" (rule {rule.get('ID', 'without an id')!r})"
    return ("" if rule["Status"] == "Enabled" else "; off") + name
