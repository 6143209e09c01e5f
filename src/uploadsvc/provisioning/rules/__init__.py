"""The rules of a bucket, in the order in which `apply` makes them."""

from typing import Final

from uploadsvc.provisioning.models import Check
from uploadsvc.provisioning.rules import (
    bucket,
    bucket_policy,
    cors,
    lifecycle,
    notifications,
    ownership,
    public_access,
    queue,
    queue_policy,
    unclaimed,
)

CHECKS: Final[tuple[Check, ...]] = (
    bucket.CHECK,
    public_access.CHECK,
    ownership.CHECK,
    bucket_policy.CHECK,
    cors.CHECK,
    lifecycle.CHECK,
    unclaimed.CHECK,
    queue.CHECK,
    queue_policy.CHECK,
    notifications.CHECK,
)
