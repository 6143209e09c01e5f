"""The queue, its policy and the bucket's notifications: made once, and others' stay."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import pytest
from tests.support.bucket_rules import required, states, the
from tests.support.provisioned_queues import attributes, new_queue, queue_clients
from tests.support.servers import S3Server

from uploadsvc.domain.notifications import parse_notifications
from uploadsvc.domain.providers import PROVIDERS
from uploadsvc.domain.queue_addresses import Queue
from uploadsvc.provisioning.models import BucketRequirements, QueueClients, Rule, Step
from uploadsvc.provisioning.plan import apply, plan

RULES: Final[tuple[Rule, ...]] = ("bucket", "queue", "queue-policy", "notifications")
STATEMENT: Final = {"Sid": "Theirs", "Effect": "Allow", "Principal": "*", "Action": "sqs:GetQueueUrl"}


@pytest.fixture(params=["moto_server", "localstack"])
def server(request: pytest.FixtureRequest) -> S3Server:
    """Run a test on each server that has queues, with a bucket that is not there."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, S3Server)
    return replace(found, bucket=f"test-{uuid4().hex}")


def needed(server: S3Server, queue: Queue, **changed: Any) -> BucketRequirements:  # noqa: ANN401 - any field
    return required(server, queue=queue, **changed)


async def applied(
    server: S3Server,
    requirements: BucketRequirements,
    rules: Sequence[Rule] = RULES,
    *,
    confirm: bool = True,
) -> list[Step]:
    async with server.client() as client, queue_clients(server) as queues:
        return await apply(client, requirements, rules=rules, queues=queues, confirm=lambda _: confirm)


async def put_attributes(server: S3Server, queue: Queue, **values: str) -> None:
    async with queue_clients(server) as clients:
        await clients.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes=values)


async def test_applying_twice_changes_nothing(server: S3Server) -> None:
    """Neither the second time nor a plan sends a write."""
    queue, writes = new_queue(server), list[str]()
    requirements = needed(server, queue)

    def note(model: Any, **_: object) -> None:  # noqa: ANN401 - botocore's
        if model.name.startswith(("Create", "Set", "Put")):
            writes.append(model.name)

    async with server.client() as client, queue_clients(server) as queues:
        for one in (client, queues.sqs):
            one.meta.events.register("before-call", note)
        planned = await plan(client, requirements, rules=RULES, queues=queues)
        assert set(states(planned).values()) == {"missing"}
        assert the("queue", planned).found == "no queue", "which needs no bucket"
        assert writes == []
        done = await apply(client, requirements, rules=RULES, queues=queues)
        assert set(states(done).values()) == {"made"}
        assert len(writes) == 5
        writes.clear()
        for act in (plan, apply):
            again = await act(client, requirements, rules=RULES, queues=queues)
            assert states(again) == dict.fromkeys(RULES, "in place")
        assert writes == []


async def test_notifications_of_users_objects_arrive(server: S3Server) -> None:
    """And those of no other."""
    queue = new_queue(server)
    await applied(server, needed(server, queue))
    async with server.client() as client, queue_clients(server) as queues:
        for key in ("other/a", "uploads/alice/a"):
            await client.put_object(Bucket=server.bucket, Key=key, Body=b"bytes")
        answer = await queues.sqs.receive_message(
            QueueUrl=queue.url, MaxNumberOfMessages=10, WaitTimeSeconds=5
        )
    told = [one for message in answer["Messages"] for one in parse_notifications(message["Body"])]
    assert {(one.bucket, one.key) for one in told} == {(server.bucket, "uploads/alice/a")}


async def test_the_queue_has_what_the_worker_needs(server: S3Server) -> None:
    queue = new_queue(server)
    await applied(server, needed(server, queue))
    found = await attributes(server, queue)
    redrive = json.loads(found["RedrivePolicy"])
    assert (found["VisibilityTimeout"], found["SqsManagedSseEnabled"]) == ("60", "true")
    assert int(found["MessageRetentionPeriod"]) == 4 * 86_400
    assert redrive == {"deadLetterTargetArn": queue.dead_letters.arn, "maxReceiveCount": 10}
    assert int((await attributes(server, queue.dead_letters))["MessageRetentionPeriod"]) == 14 * 86_400
    (statement,) = json.loads(found["Policy"])["Statement"]
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{server.bucket}"},
        "StringEquals": {"aws:SourceAccount": queue.account},
    }
    assert (statement["Principal"], statement["Resource"]) == ({"Service": "s3.amazonaws.com"}, queue.arn)


async def test_an_operators_settings_stay(localstack: S3Server) -> None:
    """A longer retention, a dead-letter queue of another name, and statements of the policy."""
    # moto forgets a queue's policy when other attributes are set.
    server = replace(localstack, bucket=await localstack.create_bucket())
    queue, letters = new_queue(server), new_queue(server)
    theirs = {**STATEMENT, "Resource": queue.arn}
    async with queue_clients(server) as clients:
        await clients.sqs.create_queue(QueueName=letters.name)
        redrive = {"deadLetterTargetArn": letters.arn, "maxReceiveCount": 3}
        own = {
            "MessageRetentionPeriod": "864000",
            "RedrivePolicy": json.dumps(redrive),
            "Policy": json.dumps({"Version": "2012-10-17", "Statement": [theirs]}),
        }
        await clients.sqs.create_queue(QueueName=queue.name, Attributes=own)
    refused = await applied(server, needed(server, queue), confirm=False)
    assert states(refused)["queue"] == "not confirmed"
    assert "after 3 receives in " in the("queue", refused).found
    done = await applied(server, needed(server, queue))
    assert states(done)["queue"] == "changed"
    found = await attributes(server, queue)
    assert found["MessageRetentionPeriod"] == "864000"
    assert json.loads(found["RedrivePolicy"]) == {**redrive, "maxReceiveCount": 10}
    assert theirs in json.loads(found["Policy"])["Statement"]
    async with queue_clients(server) as clients:
        answer = await clients.sqs.list_queues(QueueNamePrefix=queue.name)
    assert len(answer["QueueUrls"]) == 1, "no second dead-letter queue was made"


@pytest.mark.parametrize(
    "changed",
    [{"VisibilityTimeout": "30"}, {"MessageRetentionPeriod": "3600"}, {"SqsManagedSseEnabled": "false"}],
)
async def test_a_difference_is_corrected(moto_server: S3Server, changed: dict[str, str]) -> None:
    queue = new_queue(moto_server)
    requirements = needed(moto_server, queue)
    await applied(moto_server, requirements)
    before = await attributes(moto_server, queue)
    await put_attributes(moto_server, queue, **changed)
    assert states(await applied(moto_server, requirements))["queue"] == "changed"
    after = await attributes(moto_server, queue)
    assert {name: after[name] for name in changed} == {name: before[name] for name in changed}


async def test_a_wider_statement_of_ours_is_narrowed(moto_server: S3Server) -> None:
    """One without the account would let a bucket of the same name send, once ours is deleted."""
    queue = new_queue(moto_server)
    requirements = needed(moto_server, queue)
    await applied(moto_server, requirements)
    policy = json.loads((await attributes(moto_server, queue))["Policy"])
    del policy["Statement"][0]["Condition"]["StringEquals"]
    await put_attributes(moto_server, queue, Policy=json.dumps(policy))
    assert states(await applied(moto_server, requirements, confirm=False))["queue-policy"] == "not confirmed"
    assert states(await applied(moto_server, requirements))["queue-policy"] == "changed"


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        (
            {"account": "111122223333"},
            "the account 111122223333, these credentials of 123456789012",
        ),
        (
            {"region": "eu-west-1"},
            "the queue is in eu-west-1; S3 notifies only queues in",
        ),
        ({"name": "up.fifo"}, "S3 does not notify FIFO queues"),
    ],
)
async def test_a_queue_that_cannot_serve_is_not_made(
    moto_server: S3Server, changed: dict[str, Any], found: str
) -> None:
    queue = replace(new_queue(moto_server), **changed)
    queue = replace(queue, url=f"{moto_server.endpoint_url}/{queue.account}/{queue.name}")
    done = await applied(moto_server, needed(moto_server, queue), ["queue"])
    assert states(done) == {"queue": "conflict"}
    assert found in the("queue", done).found
    async with queue_clients(moto_server) as clients:
        assert "QueueUrls" not in await clients.sqs.list_queues(QueueNamePrefix=queue.name)


async def test_the_managed_key_is_a_conflict(moto_server: S3Server) -> None:
    """S3 may not use it, and its key policy cannot be changed."""
    queue = new_queue(moto_server)
    await applied(moto_server, needed(moto_server, queue))
    await put_attributes(moto_server, queue, KmsMasterKeyId="alias/aws/sqs", SqsManagedSseEnabled="false")
    assert states(await applied(moto_server, needed(moto_server, queue)))["queue"] == "conflict"
    await put_attributes(moto_server, queue, KmsMasterKeyId="alias/own")
    assert states(await applied(moto_server, needed(moto_server, queue)))["queue"] == "in place"


async def test_a_store_without_notifications_gets_no_queue(moto_server: S3Server) -> None:
    requirements = needed(moto_server, new_queue(moto_server), provider=PROVIDERS["minio"])
    done = states(await applied(moto_server, requirements))
    assert {rule for rule, state in done.items() if state == "unsupported"} == set(RULES) - {"bucket"}


async def test_without_a_queue_nothing_is_shown(moto_server: S3Server) -> None:
    async with moto_server.client() as client:
        done = await plan(client, required(moto_server), queues=QueueClients(sqs=None))
    assert not {"queue", "queue-policy", "notifications"} & states(done).keys()
