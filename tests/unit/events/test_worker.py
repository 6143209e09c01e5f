"""The worker handles the messages of the queue, with time that passes at once."""

import asyncio
import dataclasses
import itertools
import json
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.support.fake_queue import BUSY, DELIVERED, FAILED, GONE, FakeQueue, FakeReceiver
from tests.support.fakes import BUCKET, FakeBucket
from tests.support.metrics import counts

from uploadsvc.domain.errors import StorageUnavailable
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.policy import Policy
from uploadsvc.domain.principal import Principal
from uploadsvc.events import worker as module
from uploadsvc.events.queue import Message, QueueError, QueueRefusedError
from uploadsvc.events.receivers import Outcome, Receivers
from uploadsvc.events.worker import Worker
from uploadsvc.tokens.deliveries import Deliveries, Delivery

ANN = Principal(user="ann", policies=None, kind="user")
SCHEDULE = [5, 300, 1800, 7200, 18_000, 36_000, 36_000]
MALFORMED = ["", "no JSON", '{"Records": 1}', '{"uploadsvc_delivery":{"fields":[],"mac":""}}']


class Scene:
    """A worker over a bucket and a queue in memory.

    Attributes:
        bucket: The bucket.
        queue: The queue.
        slept: Pauses of the worker itself.
    """

    def __init__(self, *, max_receive_count: int | None = 10, policy: Policy | None = None) -> None:
        self.bucket = FakeBucket(policy)
        self.clock = self.bucket.clock
        self.queue = FakeQueue(self.clock, max_receive_count=max_receive_count)
        self.slept: list[float] = []

    def receiver(self, *script: Outcome | Exception, **facts: Any) -> FakeReceiver:  # noqa: ANN401 - of a receiver
        """Return a receiver with this script."""
        return FakeReceiver(self.clock, script=list(script), **facts)

    async def upload(self, *, told: int = 1) -> str:
        """Let an upload land, and S3 tell of it; return its key."""
        grant = await self.bucket.creator.create(ANN, None, UploadRequest(filename="note.txt", size=5))
        key = grant.plan.key
        claims = {**grant.plan.headers, **grant.plan.fields}["x-amz-meta-uploadsvc-claims"]
        self.bucket.store(key, size=5, claims=claims)
        for _ in range(told):
            self.queue.put(notification(key))
        return key

    async def run(self, *receivers: FakeReceiver) -> None:
        """Work until the queue is empty."""

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.clock.move(seconds)
            self.queue.lapse()

        worker = Worker(
            queue=self.queue,
            deliveries=Deliveries([b"s" * 32]),
            resolver=self.bucket.resolver,
            receivers=Receivers(receivers),
            clock=self.clock,
            jitter=lambda: 0,
            metrics=self.bucket.metrics,
            sleep=sleep,
        )
        async with asyncio.timeout(10):
            await worker.run(self.queue.stopping)


def notification(key: str, *, bucket: str = BUCKET, event: str = "ObjectCreated:Put") -> str:
    """Return S3's message about an object."""
    s3 = {"bucket": {"name": bucket}, "object": {"key": key, "eTag": "e", "size": 5}}
    return json.dumps({"Records": [{"eventName": event, "eventSource": "aws:s3", "s3": s3}]})


async def test_an_event_goes_to_every_receiver_that_wants_it() -> None:
    scene = Scene()
    receivers = scene.receiver(), scene.receiver(id="b"), scene.receiver(id="c", types=["object.*"])
    key = await scene.upload()
    await scene.run(*receivers)
    assert [len(receiver.got) for receiver in receivers] == [1, 1, 0]
    assert json.loads(receivers[0].bodies[0])["data"]["object"]["key"] == key
    assert scene.queue.held == {}
    assert scene.queue.dead == []


async def test_a_repeated_notification_has_one_id() -> None:
    scene = Scene()
    receiver = scene.receiver()
    await scene.upload(told=3)
    await scene.run(receiver)
    assert len(receiver.got) == 3
    assert len({event_id for _, event_id in receiver.got}) == 1


async def test_a_failed_delivery_is_tried_again_on_the_schedule_and_then_left_to_the_dead_letters() -> None:
    """The other receivers get the event once, and at once."""
    scene = Scene()
    failing, other = scene.receiver(*[FAILED] * 20), scene.receiver(id="other")
    await scene.upload()
    await scene.run(failing, other)
    assert [time for time, _ in failing.got] == [sum(SCHEDULE[:n]) for n in range(8)]
    assert {event_id for _, event_id in failing.got} == {other.got[0][1]}
    assert len(set(failing.bodies)) == 1
    assert [time for time, _ in other.got] == [0]
    assert len(scene.queue.dead) == 1


async def test_attempts_and_lag_are_counted() -> None:
    """By the number of the receiver, which says nothing of its address."""
    scene = Scene()
    failing, busy = scene.receiver(*[FAILED] * 20), scene.receiver(BUSY, id="busy")
    await scene.upload()
    await scene.run(failing, busy)
    metrics = scene.bucket.metrics
    assert counts(metrics, "event_deliveries_total") == {
        ("1", "upload.completed", "failed"): 8,
        ("1", "upload.completed", "given_up"): 1,
        ("2", "upload.completed", "busy"): 1,
        ("2", "upload.completed", "delivered"): 1,
    }
    (before,) = counts(metrics, "event_lag_seconds").values()
    scene.clock.move(3600)
    (after,) = counts(metrics, "event_lag_seconds").values()
    assert before == 0
    assert after > 3500, "nobody reads the queue any more"


async def test_dead_letters_are_delivered_once_they_are_moved_back() -> None:
    scene = Scene()
    failing = scene.receiver(*[FAILED] * 8)
    await scene.upload()
    await scene.run(failing)
    for body in scene.queue.dead:
        scene.queue.put(body)
    scene.queue.dead.clear()
    scene.queue.stopping.clear()
    await scene.run(failing)
    assert len(failing.got) == 9
    assert scene.queue.dead == []


@pytest.mark.parametrize("seconds", [60, 900, 901, 10_000])
async def test_a_receiver_that_asks_to_wait_is_left_alone_for_so_long(seconds: float) -> None:
    """SQS delays a message by at most 15 minutes. Waiting longer costs no attempt."""
    scene = Scene()
    wait = Outcome(state="failed", reason="status 429", retry_after=seconds)
    receiver = scene.receiver(wait, FAILED, wait)
    await scene.upload()
    await scene.run(receiver)
    first, second, third, fourth = (time for time, _ in receiver.got)
    assert seconds <= second - first <= seconds + 2
    assert third - second == SCHEDULE[1]
    assert fourth - third == max(seconds, SCHEDULE[2])


async def test_a_receiver_without_room_is_asked_less_often_and_loses_no_attempt() -> None:
    scene = Scene()
    receiver = scene.receiver(BUSY, BUSY, FAILED, BUSY, FAILED)
    await scene.upload()
    await scene.run(receiver)
    times = [time for time, _ in receiver.got]
    pauses = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert pauses == [5, 10, 5, 20, 300]


async def test_a_receiver_that_wants_no_events_any_more_gets_none_until_the_restart() -> None:
    """What waits for it is deleted."""
    scene = Scene()
    receiver, other = scene.receiver(FAILED, GONE), scene.receiver(id="other")
    await scene.upload()
    await scene.upload()
    scene.queue.held["1"].visible_at += 100
    waiting = Delivery(receiver="app", event_id="evt_1", body=b'{"data":{}}', attempt=2)
    scene.queue.put(Deliveries([b"s" * 32]).encode(waiting), seconds=100)
    with capture_logs() as logs:
        await scene.run(receiver, other)
    assert len(receiver.got) == 2
    assert len(other.got) == 2
    assert scene.queue.dead == []
    assert [entry["receiver"] for entry in logs if entry["event"] == "receiver_gone"] == ["app"]


async def test_a_receiver_that_this_worker_does_not_know_gets_its_event_from_another() -> None:
    """During a deployment, workers have different settings."""
    scene = Scene()
    await scene.upload()
    failing = scene.receiver(FAILED)
    delivered = scene.receiver(id="new")
    deliveries = Deliveries([b"s" * 32])
    scene.queue.put(
        deliveries.encode(Delivery(receiver="new", event_id="evt_1", body=b'{"data":{}}', attempt=1))
    )
    await scene.run(failing)
    (dead,) = scene.queue.dead
    scene.queue.put(dead)
    scene.queue.stopping.clear()
    await scene.run(delivered)
    assert [event_id for _, event_id in delivered.got] == ["evt_1"]


@pytest.mark.parametrize("body", MALFORMED)
async def test_malformed_messages_end_in_the_dead_letter_queue(body: str) -> None:
    scene = Scene()
    scene.queue.put(body)
    with capture_logs() as logs:
        await scene.run(scene.receiver())
    assert scene.queue.dead == [body]
    assert scene.clock().timestamp() == pytest.approx(FakeBucket().clock().timestamp())
    assert [entry["event"] for entry in logs].count("message_malformed") == 1


async def test_without_a_dead_letter_queue_messages_that_fail_are_put_away() -> None:
    """Visible at once, they would come again and again."""
    scene = Scene(max_receive_count=None)
    scene.queue.put("no JSON")
    put_back: list[int] = []

    async def stop(_: object, *, seconds: int) -> None:
        put_back.append(seconds)
        scene.queue.held.clear()

    scene.queue.put_back = stop  # type: ignore[assignment, method-assign] # seen, not done
    with capture_logs() as logs:
        await scene.run(scene.receiver())
    assert put_back == [43_200]
    assert "queue_without_dead_letters" in [entry["event"] for entry in logs]


@pytest.mark.parametrize(("receipts", "seconds"), [(10, 0), (11, 43_200)])
async def test_messages_do_not_spin_once_the_dead_letter_queue_is_removed(
    receipts: int, seconds: int
) -> None:
    """The worker asks for it only at its start. SQS moves a message at its eleventh receipt."""
    scene = Scene()
    scene.queue.put("no JSON")
    put_back: list[int] = []
    receive = scene.queue.receive

    async def received() -> list[Message]:
        return [dataclasses.replace(message, receive_count=receipts) for message in await receive()]

    async def stop(_: object, *, seconds: int) -> None:
        put_back.append(seconds)
        scene.queue.held.clear()

    scene.queue.receive = received  # type: ignore[method-assign] # as often as that
    scene.queue.put_back = stop  # type: ignore[assignment, method-assign] # seen, not done
    await scene.run(scene.receiver())
    assert put_back == [seconds]


@pytest.mark.parametrize(
    "message",
    [
        notification("uploads/ann/never-stored.txt"),
        notification("elsewhere/ann/note.txt"),
        notification("uploads/ann/note.txt", bucket="other"),
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET}),
    ],
)
async def test_messages_without_an_event_are_deleted(message: str) -> None:
    scene = Scene()
    scene.queue.put(message)
    receiver = scene.receiver()
    await scene.run(receiver)
    assert receiver.got == []
    assert scene.queue.dead == []


async def test_while_s3_fails_its_messages_wait() -> None:
    scene = Scene()
    receiver = scene.receiver()
    await scene.upload()
    scene.bucket.storage.failures[:] = [StorageUnavailable("down")] * 3
    await scene.run(receiver)
    assert [time for time, _ in receiver.got] == [sum(SCHEDULE[:3])]


async def test_an_error_of_a_receiver_is_a_failure_of_its_own() -> None:
    scene = Scene()
    receiver, other = scene.receiver(RuntimeError("bug")), scene.receiver(id="other")
    await scene.upload()
    await scene.run(receiver, other)
    assert [time for time, _ in receiver.got] == [0, 5]
    assert [time for time, _ in other.got] == [0]


@pytest.mark.parametrize("call", ["send", "delete", "put_back"])
async def test_nothing_is_lost_when_the_queue_fails(call: str) -> None:
    """Nothing is deleted before it is delivered or remembered."""
    scene = Scene()
    receiver = scene.receiver(FAILED, FAILED)
    await scene.upload()
    failed = False

    def fail(name: str) -> None:
        nonlocal failed
        if name == call and not failed:
            failed = True
            scene.queue.lapse()
            raise QueueError

    scene.queue._fail = fail  # type: ignore[method-assign, assignment] # once
    await scene.run(receiver)
    assert failed
    assert receiver.script == []
    assert len({event_id for _, event_id in receiver.got}) == 1


async def test_a_failing_queue_is_asked_less_often_and_logged_once_a_minute() -> None:
    scene = Scene()
    receiver = scene.receiver()
    await scene.upload()
    scene.queue.failures = {"receive": [QueueError("down")] * 6, "check": [QueueError("down")] * 2}
    with capture_logs() as logs:
        await scene.run(receiver)
    assert scene.slept == [1, 2, 4, 8, 15, 15, 15, 15]
    assert len(receiver.got) == 1
    assert [entry["event"] for entry in logs].count("queue_failed") == 2


async def test_a_queue_that_refuses_stops_the_start_but_not_the_work() -> None:
    scene = Scene()
    scene.queue.failures = {"check": [QueueRefusedError("there is no such queue")]}
    with pytest.raises(QueueRefusedError, match="no such queue"):
        await scene.run()
    scene = Scene()
    scene.queue.failures = {"receive": [QueueRefusedError("denied")]}
    await scene.run()


class Hanging(FakeReceiver):
    """A receiver that never answers."""

    async def send(self, event_id: str, body: bytes) -> Outcome:
        """Hang."""
        await super().send(event_id, body)
        await asyncio.Event().wait()
        raise AssertionError


async def test_no_more_is_received_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is under way when the worker must end is visible to others at once."""
    monkeypatch.setattr(module, "DRAIN_SECONDS", 0)
    scene = Scene()
    receiver = Hanging(scene.clock)
    for _ in range(120):
        await scene.upload()
    running = asyncio.create_task(scene.run(receiver))
    for _ in range(1000):
        await asyncio.sleep(0)
    assert sum(one.under_way for one in scene.queue.held.values()) == 90
    scene.queue.stopping.set()
    await running
    assert len(scene.queue.held) == 120
    assert not any(one.under_way for one in scene.queue.held.values())


async def test_what_is_under_way_is_finished_before_the_end() -> None:
    scene = Scene()
    receiver = Slow(scene.clock)
    await scene.upload()
    running = asyncio.create_task(scene.run(receiver))
    await receiver.asked.wait()
    scene.queue.stopping.set()
    await asyncio.sleep(0)
    receiver.may_answer.set()
    await running
    assert scene.queue.held == {}


class Slow(FakeReceiver):
    """A receiver that answers when it may."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def send(self, event_id: str, body: bytes) -> Outcome:
        """Wait."""
        self.asked.set()
        await self.may_answer.wait()
        return await super().send(event_id, body)


async def test_a_message_that_takes_too_long_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HANDLING_SECONDS", 0)
    scene = Scene()
    await scene.upload()
    with capture_logs() as logs:
        await scene.run(Hanging(scene.clock))
    assert [entry["event"] for entry in logs].count("message_retried") == 8
    assert len(scene.queue.dead) == 1


async def test_the_log_tells_each_attempt_without_its_content() -> None:
    scene = Scene()
    receiver = scene.receiver(FAILED, BUSY, DELIVERED)
    key = await scene.upload()
    with capture_logs() as logs:
        await scene.run(receiver)
    lines = [entry for entry in logs if entry["event"].startswith("event_")]
    assert [(line["event"], line["attempt"]) for line in lines] == [
        ("event_failed", 1),
        ("event_postponed", 2),
        ("event_delivered", 2),
    ]
    assert {(line["type"], line["receiver"]) for line in lines} == {("upload.completed", "app")}
    assert {line["upload_id"] for line in lines} == {json.loads(receiver.bodies[0])["data"]["upload_id"]}
    assert key not in str(logs)


async def test_a_refused_object_is_deleted_after_its_event_is_sent_or_kept() -> None:
    """If it went first, nothing could be told of it after a crash."""
    scene = Scene(policy=Policy(name="default", verify_content=True, delete_mismatched=True))
    objects = scene.bucket.storage.objects

    class Looking(FakeReceiver):
        async def send(self, event_id: str, body: bytes) -> Outcome:
            there.append(bool(objects))
            return await super().send(event_id, body)

    there: list[bool] = []
    key = await scene.upload()
    scene.bucket.storage.contents[key] = b"\x89PNG\r\n\x1a\n" + bytes(8)
    receiver = Looking(scene.clock, script=[FAILED, DELIVERED])
    await scene.run(receiver)
    assert there == [True, False], "the second attempt needs no object"
    assert [json.loads(body)["type"] for body in receiver.bodies] == ["upload.rejected"] * 2
    assert objects == {}
