"""CORS rule for the pages that upload.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError

from uploadsvc.domain.cors import DOWNLOAD_HEADERS
from uploadsvc.provisioning.errors import code_of
from uploadsvc.provisioning.models import BucketRequirements, Check, RuleState

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.type_defs import CORSRuleTypeDef

RULE_ID: Final = "uploadsvc"
"""Id of the service's own rule; the bucket's other rules stay as they are."""

MAX_AGE: Final = 3600
"""Seconds for which browsers may cache a preflight; each browser has its own, lower limit."""

_ORDER: Final = ("GET", "HEAD", "PUT", "POST", "DELETE")


def _rule(requirements: BucketRequirements) -> "CORSRuleTypeDef":
    return {
        "ID": RULE_ID,
        "AllowedOrigins": list(requirements.origins),
        "AllowedMethods": sorted(requirements.cors_methods, key=_ORDER.index),
        "AllowedHeaders": sorted(requirements.cors_headers | requirements.cors_extra_headers),
        # Clients need the ETags of parts to complete a multipart upload. Uppy 5 reads a form's Location.
        "ExposeHeaders": [*DOWNLOAD_HEADERS, *(["Location"] if "POST" in requirements.cors_methods else [])],
        "MaxAgeSeconds": MAX_AGE,
    }


def _wanted(requirements: BucketRequirements) -> str:
    return _shown(_rule(requirements)) if requirements.origins else "no rule: no origins are set"


async def _look(client: "S3Client", requirements: BucketRequirements) -> RuleState:
    present = await _rules(client, requirements.bucket)
    # Some stores keep no ids.
    own = [rule for rule in present if _is_ours(rule, requirements)]
    wanted = [_rule(requirements)] if requirements.origins else []
    if len(own) == len(wanted) and all(map(_same, own, wanted)):
        return RuleState(state="in place", found=_found(own, present))

    async def change() -> None:
        rules = _replaced(present, own, wanted)
        if rules:
            await client.put_bucket_cors(Bucket=requirements.bucket, CORSConfiguration={"CORSRules": rules})
        else:
            await client.delete_bucket_cors(Bucket=requirements.bucket)

    return RuleState(
        state="differs" if own else "missing",
        found=_found(own, present),
        change=change,
        narrows=any(_allows_more(rule, wanted) for rule in own),
    )


async def _rules(client: "S3Client", bucket: str) -> "list[CORSRuleTypeDef]":
    try:
        answer = await client.get_bucket_cors(Bucket=bucket)
    except ClientError as error:
        if code_of(error) == "NoSuchCORSConfiguration":
            return []
        raise
    # The type stubs have different types for reading and writing.
    return cast("list[CORSRuleTypeDef]", answer.get("CORSRules", []))


def _is_ours(rule: Mapping[str, Any], requirements: BucketRequirements) -> bool:
    if "ID" in rule:
        return bool(rule["ID"] == RULE_ID)
    return bool(requirements.origins) and _same(rule, _rule(requirements))


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return _comparable(one) == _comparable(other)


def _comparable(
    rule: Mapping[str, Any],
) -> tuple[set[str], set[str], set[str], set[str], int | None]:
    headers = {name.lower() for name in rule.get("AllowedHeaders", [])}
    exposed = {name.lower() for name in rule.get("ExposeHeaders", [])}
    origins, methods = set(rule["AllowedOrigins"]), set(rule["AllowedMethods"])
    return origins, methods, headers, exposed, rule.get("MaxAgeSeconds")


def _allows_more(rule: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether our rule allows more than the wanted ones."""
    *allowed, _ = _comparable(rule)
    return not any(
        all(one <= other for one, other in zip(allowed, _comparable(each)[:-1], strict=True))
        for each in wanted
    )


def _replaced(
    present: "Sequence[CORSRuleTypeDef]",
    own: "Sequence[CORSRuleTypeDef]",
    wanted: "Sequence[CORSRuleTypeDef]",
) -> "list[CORSRuleTypeDef]":
    """Replace our rule in place, or append it: S3 applies the first rule that matches a request."""
    if not own:
        return [*present, *wanted]
    index = present.index(own[0])
    others = [rule for rule in present if rule not in own]
    return [*others[:index], *wanted, *others[index:]]


def _found(own: "Sequence[CORSRuleTypeDef]", present: "Sequence[CORSRuleTypeDef]") -> str:
    others = len(present) - len(own)
    kept = f"{others} other rule{'s' if others > 1 else ''}" if others else ""
    return "; ".join(filter(None, [*(_shown(rule) for rule in own), kept])) or "no rules"


def _shown(rule: Mapping[str, Any]) -> str:
    return (
        f"origins {', '.join(rule['AllowedOrigins'])}; methods {', '.join(rule['AllowedMethods'])}; "
        f"headers {', '.join(rule.get('AllowedHeaders', [])) or 'none'}; "
        f"exposed {', '.join(rule.get('ExposeHeaders', [])) or 'none'}; "
        f"remembered {rule.get('MaxAgeSeconds', 0)} s"
    )


CHECK: Final = Check(rule="cors", supported=lambda provider: provider.cors_rules, wanted=_wanted, look=_look)
