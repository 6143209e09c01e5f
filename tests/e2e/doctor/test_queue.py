"""The doctor sends a canary through the queue of events, and leaves the workers their messages."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import pytest
from tests.support.doctor import examine, of_status, prepare, settings_of
from tests.support.provisioned_queues import attributes, events_of, new_queue, queue_clients
from tests.support.servers import S3Server

from uploadsvc.doctor.checks import queue as checks
from uploadsvc.domain.queue_addresses import Queue

CHECKS: Final = ("queue", "queue-policy", "notifications", "events", "dead-letters")


@pytest.fixture
async def server(localstack: S3Server) -> S3Server:
    """Give a bucket of one's own."""
    return replace(localstack, bucket=await localstack.create_bucket())


async def prepared(server: S3Server, **events: Any) -> tuple[dict[str, Any], Queue]:  # noqa: ANN401 - settings
    """Return settings with a queue, and make it."""
    queue = new_queue(server)
    settings = settings_of(server, events={**events_of(server, queue), **events})
    await prepare(settings)
    await drain(server, queue)
    return settings, queue


async def drain(server: S3Server, queue: Queue, *, delete: bool = True) -> list[dict[str, Any]]:
    """Take all messages out of a queue, or look at them."""
    taken: list[dict[str, Any]] = []
    async with queue_clients(server) as clients:
        while found := (
            await clients.sqs.receive_message(
                QueueUrl=queue.url, MaxNumberOfMessages=10, AttributeNames=["ApproximateReceiveCount"]
            )
        ).get("Messages"):
            taken += found
            for one in found if delete else ():
                await clients.sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=one["ReceiptHandle"])
    return taken


async def send(server: S3Server, queue: Queue, bodies: Sequence[str]) -> None:
    async with queue_clients(server) as clients:
        for body in bodies:
            await clients.sqs.send_message(QueueUrl=queue.url, MessageBody=body)


async def test_a_canary_passes_through_the_queue(server: S3Server) -> None:
    """Timed; the doctor deletes its notification."""
    settings, queue = await prepared(server)
    found = await examine(settings, only=CHECKS)
    assert of_status(found, "ok") == set(CHECKS)
    assert "of a canary was in the queue after 0." in found["events"].found
    hidden = (await attributes(server, queue))["ApproximateNumberOfMessagesNotVisible"]
    assert hidden == "0", "nothing that it received is left hidden"


async def test_others_messages_stay_for_the_workers(server: S3Server) -> None:
    """Each is received once, and is there again at once."""
    settings, queue = await prepared(server)
    bodies = [json.dumps({"theirs": number}) for number in range(25)]
    await send(server, queue, bodies)
    assert (await examine(settings, only=["events"]))["events"].status == "ok"
    left = await drain(server, queue, delete=False)
    theirs = {one["Body"]: int(one["Attributes"]["ApproximateReceiveCount"]) for one in left}
    assert set(bodies) <= theirs.keys()
    assert {theirs[body] for body in bodies} <= {1, 2}, "with the receipt of this test"


@asynccontextmanager
async def competing(server: S3Server, queue: Queue) -> AsyncIterator[None]:
    """Run a worker, which deletes what it receives."""

    async def work() -> None:
        async with queue_clients(server) as clients:
            while True:
                answer = await clients.sqs.receive_message(
                    QueueUrl=queue.url, MaxNumberOfMessages=10, WaitTimeSeconds=20
                )
                for one in answer.get("Messages", []):
                    await clients.sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=one["ReceiptHandle"])

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_running_worker_does_not_fail_the_check(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may receive every notification first, and then the doctor says so."""
    settings, queue = await prepared(server)
    monkeypatch.setattr(checks, "ROUND", 1.0)
    async with competing(server, queue):
        found = (await examine(settings, only=["events"]))["events"]
    assert found.status == "ok" or "uploadsvc events was faster" in found.found


async def test_a_long_queue_is_left_alone(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is received, and nothing is stored."""
    settings, queue = await prepared(server)
    monkeypatch.setattr(checks, "MOST_WAITING", 2)
    await send(server, queue, ["{}", "{}", "{}"])
    found = await examine(settings, only=["events"])
    assert found["events"].status == "warning"
    assert found["events"].found == "about 3 messages wait in the queue, so no canary was sent"
    left = await drain(server, queue, delete=False)
    assert [one["Attributes"]["ApproximateReceiveCount"] for one in left] == ["1"] * 3


async def test_dead_letters_are_counted(server: S3Server) -> None:
    settings, queue = await prepared(server)
    await send(server, queue.dead_letters, ["{}", "{}"])
    finding = (await examine(settings, only=["dead-letters"]))["dead-letters"]
    assert (finding.status, finding.found) == (
        "warning",
        f"about 2 dead letters are in {queue.dead_letters.name}",
    )
    assert finding.mend.endswith("then run uploadsvc events redrive")


async def test_without_storing_no_canary_is_sent(server: S3Server) -> None:
    settings, queue = await prepared(server)
    found = await examine(settings, only=CHECKS, store=False)
    assert found["events"].status == "skipped"
    assert of_status(found, "ok") == set(CHECKS) - {"events"}
    assert await drain(server, queue) == []


async def test_a_missing_rule_is_named(server: S3Server) -> None:
    """Checks that need it name it."""
    settings, queue = await prepared(server)
    async with queue_clients(server) as clients:
        await clients.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": ""})
    found = await examine(settings, only=CHECKS)
    assert of_status(found, "failed") == {"queue-policy"}
    assert "uploadsvc bucket apply" in found["queue-policy"].mend
    assert {found[check].because for check in ("events", "dead-letters")} == {"queue-policy"}
