"""Block Public Access.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from uploadsvc.provisioning.errors import code_of
from uploadsvc.provisioning.models import BucketRequirements, Check, RuleState

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_SWITCHES: Final = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _switches(requirements: BucketRequirements) -> dict[str, bool]:
    # The first refuses uploads with a public ACL, and the second ignores the ACL.
    acls = not requirements.allows_public_acl
    return dict(zip(_SWITCHES, (acls, acls, True, True), strict=True))


def _shown(switches: Mapping[str, Any]) -> str:
    on = [name for name in _SWITCHES if switches.get(name)]
    off = [name for name in _SWITCHES if not switches.get(name)]
    if not off:
        return "all four on"
    return f"on: {', '.join(on) or 'none'}; off: {', '.join(off)}"


def _wanted(requirements: BucketRequirements) -> str:
    why = " (a policy sets a public ACL)" if requirements.allows_public_acl else ""
    return _shown(_switches(requirements)) + why


async def _look(client: "S3Client", requirements: BucketRequirements) -> RuleState:
    switches = _switches(requirements)

    async def change() -> None:
        await client.put_public_access_block(
            Bucket=requirements.bucket,
            PublicAccessBlockConfiguration=switches,  # type: ignore[arg-type] # exactly its four names
        )

    try:
        answer = await client.get_public_access_block(Bucket=requirements.bucket)
    except ClientError as error:
        if code_of(error) != "NoSuchPublicAccessBlockConfiguration":
            raise
        return RuleState(state="missing", found="not set", change=change)
    # A store without this feature answers another request, such as a listing.
    found = answer["PublicAccessBlockConfiguration"]
    if not found:
        return RuleState(state="unsupported", found="the store answers another request than this")
    if all(bool(found.get(name)) is on for name, on in switches.items()):
        return RuleState(state="in place", found=_shown(found))
    return RuleState(state="differs", found=_shown(found), change=change)


CHECK: Final = Check(
    rule="public-access",
    supported=lambda provider: provider.public_access_block,
    wanted=_wanted,
    look=_look,
)
