"""Object Ownership: whether ACLs count.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
"""

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from uploadsvc.provisioning.errors import code_of
from uploadsvc.provisioning.models import Check, RuleState, State
from uploadsvc.provisioning.needs import BucketRequirements

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.literals import ObjectOwnershipType

_WITH_ACLS: Final = ("BucketOwnerPreferred", "ObjectWriter")
"""Under both, ACLs count."""


def _ownership(needs: BucketRequirements) -> "ObjectOwnershipType":
    return "BucketOwnerPreferred" if needs.needs_acls else "BucketOwnerEnforced"


def _wanted(needs: BucketRequirements) -> str:
    why = "a policy sets an ACL" if needs.needs_acls else "no ACLs"
    return f"{_ownership(needs)} ({why})"


async def _look(client: "S3Client", needs: BucketRequirements) -> RuleState:
    async def change() -> None:
        await client.put_bucket_ownership_controls(
            Bucket=needs.bucket, OwnershipControls={"Rules": [{"ObjectOwnership": _ownership(needs)}]}
        )

    try:
        answer = await client.get_bucket_ownership_controls(Bucket=needs.bucket)
    except ClientError as error:
        if code_of(error) != "OwnershipControlsNotFoundError":
            raise
        return RuleState(state="missing", found="not set", change=change)
    # A store that does not know the question answers another one, such as for a listing.
    found = [rule["ObjectOwnership"] for rule in answer["OwnershipControls"].get("Rules", [])]
    if not found:
        return RuleState(state="unsupported", found="the store answers with something else")
    enough = _WITH_ACLS if needs.needs_acls else (_ownership(needs),)
    state: State = "in place" if found[0] in enough else "differs"
    return RuleState(state=state, found=found[0], change=None if state == "in place" else change)


CHECK: Final = Check(
    rule="ownership",
    supported=lambda provider: provider.ownership_controls,
    wanted=_wanted,
    look=_look,
)
