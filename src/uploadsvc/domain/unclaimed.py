"""Tag of unclaimed uploads. A lifecycle rule of the bucket deletes objects with it."""

import math
from typing import Final, Literal

Claim = Literal["complete", "backend"]
"""How an upload is claimed: by its completion, or by the operator's backend."""

TAG: Final = "uploadsvc-state"
UNCLAIMED: Final = "unclaimed"

DAY: Final = 86_400
MAX_UNCLAIMED_EXPIRES_IN: Final = 365 * DAY


def days_of(seconds: int) -> int:
    """Return the days for a lifecycle rule. S3 rounds up to the next midnight, so nothing is deleted early.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
    """
    return math.ceil(seconds / DAY)
