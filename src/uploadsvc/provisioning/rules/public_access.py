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


def _switches(requirements: BucketRequirements, found: Mapping[str, Any]) -> dict[str, bool]:
    """Return the required switches, given the current ones."""
    # The first rejects uploads with a public ACL; the second ignores the ACL.
    acls, blocks = not requirements.allows_public_acl, requirements.provider.blocks_public_acls
    refuse = bool(found.get(_SWITCHES[0])) if blocks is None else blocks
    return dict(zip(_SWITCHES, (acls and refuse, acls, True, True), strict=True))


def _shown(switches: Mapping[str, Any]) -> str:
    on = [name for name in _SWITCHES if switches.get(name)]
    off = [name for name in _SWITCHES if not switches.get(name)]
    if not off:
        return "all four on"
    return f"on: {', '.join(on) or 'none'}; off: {', '.join(off)}"


def _wanted(requirements: BucketRequirements) -> str:
    name = requirements.provider.name
    why = ""
    if requirements.allows_public_acl:
        why = " (a policy sets a public ACL)"
    elif requirements.provider.blocks_public_acls is None:
        why = f" (or on: {name} may refuse every upload with it)"
    elif not requirements.provider.blocks_public_acls:
        why = f" ({name} refuses every upload with it)"
    return _shown(_switches(requirements, {})) + why


async def _look(client: "S3Client", requirements: BucketRequirements) -> RuleState:
    found: Mapping[str, Any] = {}
    missing = False
    try:
        answer = await client.get_public_access_block(Bucket=requirements.bucket)
        found = answer["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if code_of(error) != "NoSuchPublicAccessBlockConfiguration":
            raise
        missing = True
    # A store without this feature treats it as another request, such as a listing.
    if not (found or missing):
        return RuleState(state="unsupported", found="the store treats this as another request")
    switches = _switches(requirements, found)
    if all(bool(found.get(name)) is on for name, on in switches.items()) and not missing:
        return RuleState(state="in place", found=_shown(found))

    async def change() -> None:
        await client.put_public_access_block(
            Bucket=requirements.bucket,
            PublicAccessBlockConfiguration=switches,  # type: ignore[arg-type] # exactly its four names
        )

    if missing:
        return RuleState(state="missing", found="not set", change=change)
    # Disabling a switch removes protection, and enabling one closes what was open.
    return RuleState(state="differs", found=_shown(found), change=change, narrows=True)


CHECK: Final = Check(
    rule="public-access",
    supported=lambda provider: provider.public_access_block,
    wanted=_wanted,
    look=_look,
)
