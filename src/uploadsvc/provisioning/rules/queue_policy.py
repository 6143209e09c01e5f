"""Statement in the queue's policy that lets S3 send to it, for this bucket only.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
"""

import json
from typing import Any, Final

from uploadsvc.domain.arns import bucket_arn
from uploadsvc.provisioning.documents import comparable, described, listed
from uploadsvc.provisioning.models import BucketRequirements, Check, QueueClients, RuleState
from uploadsvc.provisioning.rules.queue import NO_QUEUE, attributes_of, required_queue

SID: Final = "UploadsvcS3Notifications"


def _statement(requirements: BucketRequirements) -> dict[str, Any]:
    queue = required_queue(requirements)
    # Others can reuse the name of a bucket, but not the account.
    return {
        "Sid": SID,
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue.arn,
        "Condition": {
            "ArnEquals": {"aws:SourceArn": bucket_arn(requirements.bucket, region=requirements.region)},
            "StringEquals": {"aws:SourceAccount": queue.account},
        },
    }


def _wanted(requirements: BucketRequirements) -> str:
    account = required_queue(requirements).account
    return f"S3 may send, for {requirements.bucket} of the account {account} only"


async def _look(clients: QueueClients, requirements: BucketRequirements) -> RuleState:
    queue = required_queue(requirements)
    attributes = await attributes_of(clients.sqs, queue)
    policy = json.loads((attributes or {}).get("Policy") or '{"Version": "2012-10-17"}')
    present = listed(policy.get("Statement", []))
    own = [statement for statement in present if statement.get("Sid") == SID]
    others = [statement for statement in present if statement.get("Sid") != SID]
    wanted = _statement(requirements)
    found = described(own, others) if attributes is not None else "no queue"
    if comparable(own) == comparable([wanted]):
        return RuleState(state="in place", found=found)

    async def change() -> None:
        merged = json.dumps({**policy, "Statement": [*others, wanted]})
        await clients.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": merged})

    return RuleState(state="differs" if own else "missing", found=found, change=change, narrows=bool(own))


CHECK: Final = Check(
    rule="queue-policy",
    supported=lambda provider: provider.queue_notifications,
    wanted=_wanted,
    look=_look,
    service="SQS",
    for_events=True,
    unsettled=NO_QUEUE,
)
