"""The queue that S3 notifies, and its dead-letter queue.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from uploadsvc.domain.queue_addresses import Queue
from uploadsvc.provisioning.errors import code_of
from uploadsvc.provisioning.models import BucketRequirements, Check, QueueClients, RuleState

MAX_RECEIVES: Final = 10
"""Receives after which SQS moves a message to the dead-letter queue."""

VISIBILITY: Final = 60
"""Seconds for which a received message is hidden from other workers."""

_DAY: Final = 86_400
_RETENTION: Final = 4 * _DAY
_DEAD_RETENTION: Final = 14 * _DAY
"""SQS keeps messages for 14 days at most."""

NO_QUEUE: Final = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
"""Codes of a missing queue."""

_MANAGED_KEY: Final = "alias/aws/sqs"

Attributes = Mapping[str, str]


def required_queue(requirements: BucketRequirements) -> Queue:
    """Return the queue of the settings.

    Raises:
        ValueError: There is none. Its rules are left out then.
    """
    if requirements.queue is None:
        message = "no queue is set"
        raise ValueError(message)
    return requirements.queue


async def attributes_of(client: Any, queue: Queue) -> Attributes | None:  # noqa: ANN401 - has no types here
    """Return a queue's attributes, or ``None`` if it does not exist."""
    try:
        answer = await client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])
    except ClientError as error:
        if code_of(error) in NO_QUEUE:
            return None
        raise
    found: Attributes = answer.get("Attributes", {})
    return found


def _wanted(requirements: BucketRequirements) -> str:
    queue = required_queue(requirements)
    return (
        f"{queue.name} in {queue.region}: messages hidden for {VISIBILITY} s, kept for 4 days or longer, "
        f"encrypted; after {MAX_RECEIVES} receives in {queue.dead_letters.name}, kept there for 14 days"
    )


async def _look(clients: QueueClients, requirements: BucketRequirements) -> RuleState:
    queue = required_queue(requirements)
    if reason := _impossible(queue, requirements):
        return RuleState(state="conflict", found=reason)
    present = await attributes_of(clients.sqs, queue)
    redrive = _redrive(present or {})
    target = redrive.get("deadLetterTargetArn", queue.dead_letters.arn)
    # Another dead-letter queue is the operator's own, and stays.
    ours = target == queue.dead_letters.arn
    dead = await attributes_of(clients.sqs, queue.dead_letters) if ours else {}
    found = _found(present, dead, target) if present is not None else "no queue"
    if present is not None and present.get("KmsMasterKeyId") == _MANAGED_KEY:
        reason = f"S3 cannot send to a queue with the key {_MANAGED_KEY}; let SQS manage it (SSE-SQS)"
        return RuleState(state="conflict", found=reason)
    change = _Change(clients.sqs, queue, present, dead if ours else None, target=target, ours=ours)
    if not change.needed:
        return RuleState(state="in place", found=found)
    if clients.sts is not None and (present is None or change.makes_dead):
        account = (await clients.sts.get_caller_identity())["Account"]
        if account != queue.account:
            reason = f"not made: the queue is of the account {queue.account}, these credentials of {account}"
            return RuleState(state="conflict", found=reason)
    narrows = bool(redrive) and "RedrivePolicy" in change.main
    return RuleState(
        state="missing" if present is None else "differs", found=found, change=change, narrows=narrows
    )


def _impossible(queue: Queue, requirements: BucketRequirements) -> str:
    """Return the reason why S3 cannot notify a queue; empty if it can.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
    """
    if queue.fifo:
        return "S3 does not notify FIFO queues; set a standard queue"
    if queue.region != requirements.region:
        return f"the queue is in {queue.region}; S3 notifies only queues in the bucket's region"
    return ""


class _Change:
    """Creates both queues, or changes the attributes that differ."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - has no types here
        queue: Queue,
        present: Attributes | None,
        dead: Attributes | None,
        *,
        target: str,
        ours: bool,
    ) -> None:
        self._client = client
        self._queue = queue
        self._exists = present is not None
        self.makes_dead = ours and dead is None
        self.main = _differences(present, _RETENTION)
        if _redrive(present or {}).get("maxReceiveCount") != MAX_RECEIVES:
            redrive = {"deadLetterTargetArn": target, "maxReceiveCount": MAX_RECEIVES}
            self.main["RedrivePolicy"] = json.dumps(redrive)
        if (present or {}).get("VisibilityTimeout") != str(VISIBILITY):
            self.main["VisibilityTimeout"] = str(VISIBILITY)
        self._dead = _differences(dead, _DEAD_RETENTION) if ours else {}

    @property
    def needed(self) -> bool:
        """Whether anything differs."""
        return bool(self.main or self._dead) or self.makes_dead

    async def __call__(self) -> None:
        """Make the change. The dead-letter queue comes first, because the other refers to it."""
        dead = self._queue.dead_letters
        if self.makes_dead:
            await self._client.create_queue(QueueName=dead.name, Attributes=self._dead)
        elif self._dead:
            await self._client.set_queue_attributes(QueueUrl=dead.url, Attributes=self._dead)
        if not self._exists:
            await self._client.create_queue(QueueName=self._queue.name, Attributes=self.main)
        elif self.main:
            await self._client.set_queue_attributes(QueueUrl=self._queue.url, Attributes=self.main)


def _differences(present: Attributes | None, retention: int) -> dict[str, str]:
    """Return the attributes to set for retention, in seconds, and encryption."""
    found = present or {}
    differ = {}
    if int(found.get("MessageRetentionPeriod", 0)) < retention:
        differ["MessageRetentionPeriod"] = str(retention)
    # The operator's own key is fine too.
    if not _encrypted(found):
        differ["SqsManagedSseEnabled"] = "true"
    return differ


def _encrypted(found: Attributes) -> bool:
    return found.get("SqsManagedSseEnabled") == "true" or bool(found.get("KmsMasterKeyId"))


def _redrive(found: Attributes) -> dict[str, Any]:
    read = json.loads(found.get("RedrivePolicy") or "{}")
    if "maxReceiveCount" in read:
        # AWS returns a number, or the string that was set.
        read["maxReceiveCount"] = int(read["maxReceiveCount"])
    return dict(read)


def _found(present: Attributes, dead: Attributes | None, target: str) -> str:
    redrive = _redrive(present)
    name = target.rpartition(":")[2]
    days = int(present.get("MessageRetentionPeriod", 0)) // _DAY
    letters = f"after {redrive['maxReceiveCount']} receives in {name}" if redrive else "no dead-letter queue"
    if redrive and dead is None:
        letters = f"{letters}, which does not exist"
    elif redrive and dead:
        letters = f"{letters}, kept there for {int(dead.get('MessageRetentionPeriod', 0)) // _DAY} days"
    hidden = f"messages hidden for {present.get('VisibilityTimeout', '?')} s, kept for {days} days"
    return f"{hidden}, {'encrypted' if _encrypted(present) else 'not encrypted'}; {letters}"


CHECK: Final = Check(
    rule="queue",
    supported=lambda provider: provider.queue_notifications,
    wanted=_wanted,
    look=_look,
    service="SQS",
    for_events=True,
)
