"""Object Ownership: whether ACLs apply.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
"""

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from uploadsvc.provisioning.errors import code_of
from uploadsvc.provisioning.models import BucketRequirements, Check, RuleState, State

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.literals import ObjectOwnershipType

_WITH_ACLS: Final = ("BucketOwnerPreferred", "ObjectWriter")
"""With both, ACLs apply."""


def _ownership(requirements: BucketRequirements) -> "ObjectOwnershipType":
    return "BucketOwnerPreferred" if requirements.needs_acls else "BucketOwnerEnforced"


def _wanted(requirements: BucketRequirements) -> str:
    why = "a policy sets an ACL" if requirements.needs_acls else "no ACLs"
    return f"{_ownership(requirements)} ({why})"


async def _look(client: "S3Client", requirements: BucketRequirements) -> RuleState:
    async def change() -> None:
        await client.put_bucket_ownership_controls(
            Bucket=requirements.bucket,
            OwnershipControls={"Rules": [{"ObjectOwnership": _ownership(requirements)}]},
        )

    try:
        answer = await client.get_bucket_ownership_controls(Bucket=requirements.bucket)
    except ClientError as error:
        if code_of(error) != "OwnershipControlsNotFoundError":
            raise
        return RuleState(state="missing", found="not set", change=change)
    # A store without this feature treats it as another request, such as a listing.
    found = [rule["ObjectOwnership"] for rule in answer["OwnershipControls"].get("Rules", [])]
    if not found:
        return RuleState(state="unsupported", found="the store treats this as another request")
    enough = _WITH_ACLS if requirements.needs_acls else (_ownership(requirements),)
    state: State = "in place" if found[0] in enough else "differs"
    if state == "in place":
        return RuleState(state=state, found=found[0])
    # If disabled, existing ACLs lose their effect; if enabled, old ones take effect again.
    return RuleState(state=state, found=found[0], change=change, narrows=True)


CHECK: Final = Check(
    rule="ownership",
    supported=lambda provider: provider.ownership_controls,
    wanted=_wanted,
    look=_look,
)
