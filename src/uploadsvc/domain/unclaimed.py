"""The tag of uploads that nobody has claimed, by which a lifecycle rule of the bucket deletes them."""

import math
from typing import Final, Literal

Claim = Literal["complete", "backend"]
"""What takes the mark off: the completion of the upload, or the operator's backend."""

TAG: Final = "uploadsvc-state"
UNCLAIMED: Final = "unclaimed"

DAY: Final = 86_400
MAX_UNCLAIMED_EXPIRES_IN: Final = 365 * DAY


def days_of(seconds: int) -> int:
    """Return the days of a lifecycle rule; S3 rounds up to the next midnight, so nothing goes early.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
    """
    return math.ceil(seconds / DAY)
