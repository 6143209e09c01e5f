"""Addresses and messages of SQS queues."""

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


def message_of(json_text: str) -> str:
    """Return the same JSON without the characters that SQS refuses; other programs may write them raw.

    JSON has the other ones escaped:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    return json_text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
