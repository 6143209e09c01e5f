"""Set up a bucket as an operator does."""

from collections.abc import Mapping
from typing import Any

from tests.support.servers import S3Server

from uploadsvc.bootstrap.bucket import bucket_requirements
from uploadsvc.provisioning.plan import PROBLEMS, apply
from uploadsvc.settings import Settings


async def set_up(server: S3Server, settings: Mapping[str, Any]) -> None:
    """Make the bucket's rules by the settings of a service over it."""
    async with server.client() as client:
        steps = await apply(client, bucket_requirements(Settings.model_validate(dict(settings))))
    assert [step for step in steps if step.state in PROBLEMS] == []
