"""The rules of a bucket, in the order in which they are made."""

from typing import Final

from uploadsvc.provisioning.rules import (
    bucket,
    bucket_policy,
    cors,
    lifecycle,
    ownership,
    public_access,
)
from uploadsvc.provisioning.steps import Check

CHECKS: Final[tuple[Check, ...]] = (
    bucket.CHECK,
    public_access.CHECK,
    ownership.CHECK,
    bucket_policy.CHECK,
    cors.CHECK,
    lifecycle.CHECK,
)
