"""The worker with a real SQS queue."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from tests.support.chaos_receivers import chaos_receivers
from tests.support.metrics import scraped
from tests.support.processes import DEADLINE, environment_for, program
from tests.support.queues import Queues, queues_of
from tests.support.servers import S3Server, free_port
from tests.support.service import settings_for

from uploadsvc.bootstrap.services import build_services
from uploadsvc.bootstrap.worker import open_queue
from uploadsvc.events.queue import QueueError, QueueRefusedError, SqsQueue
from uploadsvc.settings import Settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
async def queues(localstack: S3Server) -> AsyncIterator[Queues]:
    """Make a bucket and its queues."""
    async with queues_of(localstack) as made:
        yield made


def environment(server: S3Server, queues: Queues, **more: str) -> dict[str, str]:
    """Return the variables of the worker."""
    return {
        **environment_for(server),
        "UPLOADSVC_S3__PROVIDER": "localstack",
        "UPLOADSVC_S3__BUCKET": queues.bucket,
        "UPLOADSVC_EVENTS__QUEUE_URL": queues.url,
        "UPLOADSVC_EVENTS__ENDPOINT_URL": server.endpoint_url,
        "UPLOADSVC_EVENTS__ALLOW_PRIVATE_ADDRESSES": "true",
        "UPLOADSVC_EVENTS__WEBHOOKS": json.dumps([{"url": "http://127.0.0.1:9/", "secrets": [SECRET]}]),
        **more,
    }


async def test_messages_come_until_they_are_deleted(localstack: S3Server, queues: Queues) -> None:
    """And in the end, SQS moves them to the dead-letter queue."""
    events = {"queue_url": queues.url, "endpoint_url": localstack.endpoint_url}
    settings = Settings.model_validate(settings_for(localstack, events=events))
    services = build_services(settings)
    async with services.open(), open_queue(settings, services) as queue:
        await queue.check()
        assert queue.max_receive_count == 10
        (test_event,) = await queue.receive()
        await queue.delete(test_event)
        await queue.send("hello", seconds=0)
        await queue.send("late", seconds=900)
        for count in range(1, 11):
            (message,) = await queue.receive()
            assert (message.body, message.receive_count) == ("hello", count)
            await queue.put_back(message, seconds=0)
        assert await queue.receive(seconds=0) == []
        async with await queue.dead_letters() as dead:
            (message,) = await dead.receive()
            assert message.body == "hello"
            with pytest.raises(QueueError, match="did not delete"):
                await queue.delete(message)
            await dead.delete(message)
        assert await queues.count(queues.dead_url) == 0
        assert await queues.count(queues.url) == 1


async def test_a_wrong_address_is_told_from_a_queue_that_fails(localstack: S3Server, queues: Queues) -> None:
    services = build_services(Settings.model_validate(settings_for(localstack)))
    client = partial(services.storage.client_of, "sqs", region_name=localstack.region)
    async with services.open():
        async with SqsQueue(f"{queues.url}x", partial(client, endpoint_url=localstack.endpoint_url)) as queue:
            with pytest.raises(QueueRefusedError, match="no such queue"):
                await queue.check()
        async with SqsQueue(queues.url, partial(client, endpoint_url="http://127.0.0.1:9")) as queue:
            with pytest.raises(QueueError, match="does not answer") as raised:
                await queue.check()
            assert not isinstance(raised.value, QueueRefusedError)


async def test_dead_letters_are_moved_back_by_a_command(
    localstack: S3Server, queues: Queues, tmp_path: Path
) -> None:
    bodies = {f"letter {number}" for number in range(12)}
    for body in bodies:
        await queues.sqs.send_message(QueueUrl=queues.dead_url, MessageBody=body)
    variables = environment(localstack, queues)
    async with program("events", "redrive", directory=tmp_path, environment=variables) as moving:
        assert await moving.ended() == 0
        assert moving.err == "uploadsvc: moved 12 messages back into the queue\n"
    assert await queues.count(queues.dead_url) == 0
    # With S3's test event.
    assert await queues.count(queues.url) == 13


async def test_the_worker_answers_scrapes(localstack: S3Server, queues: Queues, tmp_path: Path) -> None:
    for body in ("one", "two"):
        await queues.sqs.send_message(QueueUrl=queues.dead_url, MessageBody=body)
    port = free_port()
    variables = environment(localstack, queues, UPLOADSVC_METRICS__ADDRESS=f"127.0.0.1:{port}")
    async with program("events", directory=tmp_path, environment=variables) as worker:
        await worker.answers(f"http://127.0.0.1:{port}/metrics")
        scrape = await scraped(port)
        while not scrape.value("uploadsvc_event_queue_depth", queue="dead_letters"):
            scrape = await scraped(port)
        assert scrape.value("uploadsvc_event_queue_depth", queue="dead_letters") == 2
        assert scrape.labels("uploadsvc_event_queue_depth", "queue") == {"main", "dead_letters"}
        assert await worker.ended(signal.SIGTERM) == 0


async def test_a_wrong_queue_stops_the_start_with_one_line(
    localstack: S3Server, queues: Queues, tmp_path: Path
) -> None:
    variables = environment(localstack, queues, UPLOADSVC_EVENTS__QUEUE_URL=f"{queues.url}x")
    async with program("events", directory=tmp_path, environment=variables) as worker:
        assert await worker.ended() == 1
        (line,) = worker.err.splitlines()
    assert line.startswith("uploadsvc: UPLOADSVC_EVENTS__QUEUE_URL: there is no such queue")


async def test_the_worker_runs_until_it_is_told_to_stop(
    localstack: S3Server, queues: Queues, tmp_path: Path
) -> None:
    """It deletes S3's test event, and ends in the midst of waiting for messages."""
    variables = environment(localstack, queues)
    async with program("events", directory=tmp_path, environment=variables) as worker:
        await worker.until(lambda: "worker_started" in worker.err)
        async with asyncio.timeout(DEADLINE):
            while await queues.count(queues.url) != 0:
                pass
        # Less than the 20 seconds for which it waits for messages.
        assert await worker.ended(signal.SIGTERM, seconds=15) == 0
    assert await queues.count(queues.url) == 0


async def test_the_worker_reads_its_settings_again(
    localstack: S3Server, queues: Queues, tmp_path: Path
) -> None:
    """On SIGHUP; what is wrong changes nothing, here receivers in a file and a queue that does not exist."""
    hooks, config = tmp_path / "hooks.json", tmp_path / "config.toml"
    receivers = [{"url": f"http://127.0.0.1:9/{number}", "secrets": [SECRET]} for number in range(2)]
    hooks.write_text(json.dumps(receivers[:1]))
    config.write_text(f"[events]\nqueue_url = '{queues.url}'\n")
    more = {"UPLOADSVC_EVENTS__WEBHOOKS_FILE": str(hooks), "UPLOADSVC_CONFIG_FILE": str(config)}
    variables = environment(localstack, queues, **more)
    del variables["UPLOADSVC_EVENTS__WEBHOOKS"], variables["UPLOADSVC_EVENTS__QUEUE_URL"]
    async with program("events", directory=tmp_path, environment=variables) as worker:
        await worker.until(lambda: "worker_started" in worker.err)
        config.write_text(f"[events]\nqueue_url = '{queues.url}x'\n")
        worker.process.send_signal(signal.SIGHUP)
        await worker.until(lambda: "settings_not_reloaded" in "\n".join(worker.lines))
        assert "QUEUE_URL: there is no such queue" in worker.err
        config.write_text(f"[events]\nqueue_url = '{queues.url}'\n")
        hooks.write_text(json.dumps(receivers))
        worker.process.send_signal(signal.SIGHUP)
        await worker.until(lambda: "\n".join(worker.lines).count("worker_started") == 2)
        started = [json.loads(line) for line in worker.lines if "worker_started" in line]
        assert [line["receivers"] for line in started] == [1, 2]
        await worker.until(lambda: "settings_reloaded" in worker.err)
        assert await worker.ended(signal.SIGTERM) == 0


async def test_a_sample_event_shows_which_receivers_fail(
    localstack: S3Server, queues: Queues, tmp_path: Path
) -> None:
    async with chaos_receivers() as receivers:
        webhooks = [
            {"url": f"http://127.0.0.1:{receivers.port}/{name}", "secrets": [SECRET]}
            for name in ("good", "gone")
        ]
        variables = environment(localstack, queues, UPLOADSVC_EVENTS__WEBHOOKS=json.dumps(webhooks))
        async with program("events", "test", directory=tmp_path, environment=variables) as testing:
            assert await testing.ended() == 1
            good, gone = testing.out.splitlines()
            assert testing.err == ""
    assert (good[0], gone[0]) == ("✓", "✗")
    assert gone.endswith("answered 410")
    assert receivers.asked == {"good": 1, "gone": 1}
