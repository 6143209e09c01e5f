"""URLs and ARNs of SQS queues.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from uploadsvc.domain.arns import partition

DEAD_SUFFIX: Final = "-dead"
"""Suffix of the name of a dead-letter queue."""

_FIFO: Final = ".fifo"
_NAME: Final = re.compile(r"(?=.{1,80}$)[A-Za-z0-9_-]+(\.fifo)?")
_ACCOUNT: Final = re.compile(r"\d{12}")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """An SQS queue.

    Attributes:
        url: Its URL.
        region: Its region.
        account: Id of the AWS account that owns it; empty if the URL does not name it.
        name: Its name.
    """

    url: str
    region: str
    account: str
    name: str

    @property
    def arn(self) -> str:
        """ARN."""
        return f"arn:{partition(self.region)}:sqs:{self.region}:{self.account}:{self.name}"

    @property
    def fifo(self) -> bool:
        """Whether it is a FIFO queue, which S3 cannot notify."""
        return self.name.endswith(_FIFO)

    @property
    def dead_letters(self) -> "Queue":
        """Its dead-letter queue."""
        plain = self.name.removesuffix(_FIFO)
        name = f"{plain}{DEAD_SUFFIX}{_FIFO if self.fifo else ''}"
        url = f"{self.url.rstrip('/').removesuffix(self.name)}{name}"
        return Queue(url=url, region=self.region, account=self.account, name=name)


def queue_at(url: str, *, region: str) -> Queue:
    """Parse the URL of a queue.

    Args:
        url: The URL, such as ``https://sqs.eu-central-1.amazonaws.com/123456789012/uploads``.
        region: Region if the URL names none.

    Raises:
        ValueError: The URL does not end with the name of a queue.
    """
    *before, name = urlsplit(url).path.strip("/").split("/")
    if not _NAME.fullmatch(name):
        message = (
            f"{url!r} is not the URL of a queue, such as "
            "https://sqs.eu-central-1.amazonaws.com/123456789012/uploads"
        )
        raise ValueError(message)
    account = before[-1] if before and _ACCOUNT.fullmatch(before[-1]) else ""
    return Queue(url=url, region=queue_region(url) or region, account=account, name=name)


def queue_region(url: str) -> str | None:
    """Return the region in a queue's URL: in the host for AWS, in the host or the path for LocalStack.

    ``None`` if it names none.
    """
    parts = urlsplit(url)
    *before, _ = parts.path.split("/")
    found = (*(parts.hostname or "").split("."), *before)
    return next((part for part in found if _REGION.fullmatch(part)), None)
