"""Notifications that a store pushes are delivered, or refused so that it sends them again."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from tests.support.fake_queue import BUSY, DELIVERED, FAILED, GONE, FakeQueue, FakeReceiver
from tests.support.fakes import BUCKET, FakeBucket

from uploadsvc.domain.errors import EventsNotDelivered, StorageDenied, Unauthenticated, ValidationFailed
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.policy import Policy
from uploadsvc.domain.principal import Principal
from uploadsvc.events import push as module
from uploadsvc.events.dispatcher import Dispatcher
from uploadsvc.events.push import DirectTarget, Push, QueueTarget
from uploadsvc.events.queue import QueueError
from uploadsvc.events.receivers import Outcome, Receivers

ANN = Principal(user="ann", policies=None, kind="user")
SECRET = "a secret of stores that push, 32 bytes"
KEYS = [f"uploads/ann/{number}.txt" for number in range(40)]


def notification(*keys: str) -> bytes:
    records = [
        {
            "eventName": "s3:ObjectCreated:Put",
            "s3": {"bucket": {"name": BUCKET}, "object": {"key": key, "eTag": "e"}},
        }
        for key in keys
    ]
    return json.dumps({"Records": records}).encode()


class Scene:
    """A store that pushes, and receivers.

    Attributes:
        bucket: The bucket, which has all `KEYS`.
        push: Takes what the store pushes.
    """

    def __init__(self, *receivers: FakeReceiver) -> None:
        self.bucket = FakeBucket()
        for key in KEYS:
            self.bucket.store(key, size=5)
        self.push = Push(
            SECRET, DirectTarget(self.bucket.resolver, Dispatcher(Receivers(receivers), self.bucket.metrics))
        )


def receiver(*script: Outcome | Exception, name: str = "app", types: Sequence[str] = ("*",)) -> FakeReceiver:
    return FakeReceiver(FakeBucket().clock, id=name, script=list(script), types=types)


async def test_every_receiver_gets_every_event() -> None:
    one, two = receiver(), receiver(name="two")
    await Scene(one, two).push.take(notification(*KEYS))
    for found in (one, two):
        keys = [json.loads(body)["data"]["object"]["key"] for body in found.bodies]
        assert sorted(keys) == sorted(KEYS)


@pytest.mark.parametrize("outcome", [FAILED, BUSY, RuntimeError("a mistake")])
async def test_the_store_sends_again_what_was_not_delivered(outcome: Outcome | Exception) -> None:
    one, two = receiver(), receiver(outcome, name="two")
    scene = Scene(one, two)
    with pytest.raises(EventsNotDelivered) as raised:
        await scene.push.take(notification(KEYS[0]))
    assert raised.value.retry_after == 10
    await scene.push.take(notification(KEYS[0]))
    # Who has it already does not get it again.
    assert (len(one.got), len(two.got)) == (1, 2)


async def test_a_receiver_that_is_gone_gets_nothing_more() -> None:
    one = receiver(GONE)
    scene = Scene(one)
    await scene.push.take(notification(*KEYS[:1]))
    await scene.push.take(notification(*KEYS[1:2]))
    assert len(one.got) == 1


async def test_nobody_has_to_want_an_event() -> None:
    one = receiver(types=["object.deleted"])
    await Scene(one).push.take(notification(KEYS[0], "elsewhere/x", "uploads/ann/missing"))
    assert one.got == []


async def test_the_store_sends_again_what_s3_did_not_confirm() -> None:
    scene = Scene()
    scene.bucket.storage.failures = [StorageDenied("no")]
    with pytest.raises(EventsNotDelivered):
        await scene.push.take(notification(KEYS[0]))


async def test_one_failure_keeps_no_other_event_back() -> None:
    class Slow(FakeReceiver):
        async def send(self, event_id: str, body: bytes) -> Outcome:
            for _ in range(20):
                await asyncio.sleep(0)
            return await super().send(event_id, body)

    one = Slow(FakeBucket().clock)
    scene = Scene(one)
    scene.bucket.storage.failures = [StorageDenied("no")]
    with pytest.raises(EventsNotDelivered):
        await scene.push.take(notification(*KEYS[:2]))
    assert len(one.got) == 1


async def test_a_receiver_that_hangs_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(FakeReceiver):
        async def send(self, event_id: str, body: bytes) -> Outcome:
            del event_id, body
            await asyncio.Event().wait()
            return DELIVERED

    monkeypatch.setattr(module, "DEADLINE", 0.01)
    with pytest.raises(EventsNotDelivered):
        await Scene(Hanging(FakeBucket().clock)).push.take(notification(KEYS[0]))


async def test_with_a_queue_the_body_goes_there() -> None:
    queue = FakeQueue(FakeBucket().clock)
    push = Push(SECRET, QueueTarget(queue))
    await push.take(notification(KEYS[0]))
    (message,) = await queue.receive()
    assert message.body.encode() == notification(KEYS[0])
    queue.failures["send"] = [QueueError("the queue fails")]
    with pytest.raises(EventsNotDelivered):
        await push.take(notification(KEYS[0]))


@pytest.mark.parametrize("body", [b"", b"no JSON", b"\xff", b"[]", b'{"uploadsvc_delivery":{}}'])
async def test_a_malformed_notification_goes_nowhere(body: bytes) -> None:
    queue = FakeQueue(FakeBucket().clock)
    with pytest.raises(ValidationFailed, match="not a notification"):
        await Push(SECRET, QueueTarget(queue)).take(body)


@pytest.mark.parametrize("header", [f"Bearer {SECRET}", f"bearer {SECRET}", SECRET])
def test_the_secret_comes_as_stores_send_it(header: str) -> None:
    Scene().push.check([header])


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        ["Bearer"],
        [f"Bearer {SECRET}x"],
        [f"Basic {SECRET}"],
        ["Bearer ÿ"],
        [f"Bearer {SECRET}"] * 2,
    ],
)
def test_anything_else_is_refused(headers: list[str]) -> None:
    with pytest.raises(Unauthenticated):
        Scene().push.check(headers)


async def test_a_refused_object_is_deleted_once_its_event_is_delivered() -> None:
    one = receiver(FAILED, DELIVERED)
    bucket = FakeBucket(Policy(name="default", verify_content=True, delete_mismatched=True))
    push = Push(SECRET, DirectTarget(bucket.resolver, Dispatcher(Receivers([one]), bucket.metrics)))
    grant = await bucket.creator.create(ANN, None, UploadRequest(filename="note.txt", size=5))
    bucket.store(grant.plan.key, size=5, claims=grant.plan.headers["x-amz-meta-uploadsvc-claims"])
    bucket.storage.contents[grant.plan.key] = b"\x89PNG\r\n\x1a\n" + bytes(8)
    with pytest.raises(EventsNotDelivered):
        await push.take(notification(grant.plan.key))
    assert bucket.storage.objects
    await push.take(notification(grant.plan.key))
    assert not bucket.storage.objects
