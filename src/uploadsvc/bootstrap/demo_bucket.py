"""Demo mode's bucket: made at the start, with CORS for the pages that upload to it."""

from collections.abc import Sequence
from dataclasses import replace

from uploadsvc import bootstrap as wiring
from uploadsvc.provisioning.models import ProvisioningError
from uploadsvc.provisioning.plan import PROBLEMS, apply
from uploadsvc.settings import Settings


async def prepare_bucket(settings: Settings, *, origins: Sequence[str]) -> None:
    """Make the bucket and let pages of these origins reach it; both may be there already.

    Args:
        settings: Those of the bucket.
        origins: Where the pages are served, as ``scheme://host:port``.

    Raises:
        ProvisioningError: S3 refused or did not answer.
    """
    needs = replace(wiring.bucket_requirements(settings), origins=tuple(origins))
    async with wiring.bucket_client(settings) as client:
        steps = await apply(client, needs, rules=("bucket", "cors"))
    for step in steps:
        if step.state in PROBLEMS:
            message = f"bucket {needs.bucket!r} could not be set up: {step.rule}: {step.found}"
            raise ProvisioningError(message)
