"""Addresses of SQS queues."""

import re
from typing import Final
from urllib.parse import urlsplit

# https://docs.aws.amazon.com/general/latest/gr/sqs-service.html
_HOST: Final = re.compile(
    r"sqs(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)"
    r"|([a-z0-9-]+)\.queue\.amazonaws\.com(?:\.cn)?"
)


def queue_region(url: str) -> str | None:
    """Return the region of a queue of AWS, or ``None`` if its URL does not tell."""
    found = _HOST.fullmatch((urlsplit(url).hostname or "").lower())
    return (found[1] or found[2]) if found else None
