"""Events of completions, with time that passes at once."""

import asyncio
import json

import pytest
from structlog.testing import capture_logs
from tests.support.fake_queue import BUSY, FAILED, GONE, FakeReceiver
from tests.support.fakes import FakeBucket

from uploadsvc.domain.errors import VerificationFailed
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.principal import Principal
from uploadsvc.events import completions as module
from uploadsvc.events.completions import CompletionEvents
from uploadsvc.events.dispatcher import Dispatcher
from uploadsvc.events.receivers import Outcome, Receivers

ANN = Principal(user="ann", policies=None, kind="user")


class Scene:
    """A service without a queue.

    Attributes:
        bucket: The bucket.
        receiver: Its one receiver.
        completions: Sends the events.
        slept: Pauses between attempts.
        frozen: Let pauses last for ever.
    """

    def __init__(self, *script: Outcome | Exception) -> None:
        self.bucket = FakeBucket()
        self.receiver = FakeReceiver(self.bucket.clock, script=list(script))
        self.slept: list[float] = []
        self.frozen = False
        self.asleep = asyncio.Event()
        self.completions = CompletionEvents(
            resolver=self.bucket.resolver,
            dispatcher=Dispatcher(Receivers([self.receiver]), self.bucket.metrics),
            jitter=lambda: 0.0,
            metrics=self.bucket.metrics,
            sleep=self._sleep,
        )
        self.bucket.uploads.tell(self.completions)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.asleep.set()
        if self.frozen:
            await asyncio.Event().wait()

    async def complete(self, *, size: int = 5) -> None:
        """Complete an upload whose object has this size."""
        grant = await self.bucket.creator.create(ANN, None, UploadRequest(filename="note.txt", size=5))
        self.bucket.store(grant.plan.key, size=size)
        await self.bucket.uploads.complete(ANN, grant.id)

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self.completions._tasks:
            await asyncio.wait(set(self.completions._tasks))


async def test_a_completion_has_an_event() -> None:
    scene = Scene()
    async with scene.completions.open():
        await scene.complete()
        await scene.settled()
    (body,) = map(json.loads, scene.receiver.bodies)
    assert (body["type"], body["data"]["verified"], body["data"]["user"]) == ("upload.completed", True, "ann")


async def test_a_refused_completion_has_an_event_too() -> None:
    scene = Scene()
    async with scene.completions.open():
        with pytest.raises(VerificationFailed):
            await scene.complete(size=6)
        await scene.settled()
    (body,) = map(json.loads, scene.receiver.bodies)
    assert (body["type"], body["data"]["verified"]) == ("upload.rejected", False)
    assert body["data"]["reason"]["field"] == "size"


async def test_failures_are_tried_again_and_then_given_up() -> None:
    scene = Scene(FAILED, RuntimeError("a mistake"), Outcome(state="failed", retry_after=7200), FAILED)
    with capture_logs() as logs:
        async with scene.completions.open():
            await scene.complete()
            await scene.settled()
    assert scene.slept == [5, 300, 7200]
    assert len(scene.receiver.got) == 4
    assert [log["event"] for log in logs if log["log_level"] == "error"][-2:] == ["event_lost", "events_lost"]


async def test_waiting_for_room_is_no_attempt() -> None:
    scene = Scene(BUSY, BUSY, FAILED)
    async with scene.completions.open():
        await scene.complete()
        await scene.settled()
    assert scene.slept == [5, 5, 5]
    assert len({event_id for _, event_id in scene.receiver.got}) == 1


async def test_a_receiver_that_is_gone_gets_nothing_more() -> None:
    scene = Scene(GONE)
    async with scene.completions.open():
        await scene.complete()
        await scene.settled()
        await scene.complete()
        await scene.settled()
    assert len(scene.receiver.got) == 1


@pytest.mark.parametrize(("script", "lost"), [([FAILED], 0), ([FAILED, FAILED], 1)])
async def test_what_waits_is_tried_once_more_at_the_end(script: list[Outcome], lost: int) -> None:
    scene = Scene(*script)
    scene.frozen = True
    with capture_logs() as logs:
        async with scene.completions.open():
            await scene.complete()
            await scene.asleep.wait()
    assert len(scene.receiver.got) == 2
    assert [log["count"] for log in logs if log["event"] == "events_lost"] == [1] * lost


async def test_what_does_not_fit_is_lost_and_complete_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 1)
    scene = Scene(FAILED)
    scene.frozen = True
    with capture_logs() as logs:
        async with scene.completions.open():
            await scene.complete()
            await scene.asleep.wait()
            await scene.complete()
    assert len({event_id for _, event_id in scene.receiver.got}) == 1
    assert "event_lost" in [log["event"] for log in logs]


async def test_an_upload_completed_over_and_over_takes_no_room_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "WAITING", 2)
    scene = Scene(FAILED)
    scene.frozen = True
    with capture_logs() as logs:
        async with scene.completions.open():
            grant = await scene.bucket.creator.create(ANN, None, UploadRequest(filename="note.txt", size=5))
            scene.bucket.store(grant.plan.key, size=5)
            for _ in range(20):
                await scene.bucket.uploads.complete(ANN, grant.id)
            await scene.asleep.wait()
            await scene.complete()
    assert len({event_id for _, event_id in scene.receiver.got}) == 2
    # The first event again at the end, and the other one once.
    assert len(scene.receiver.got) == 3
    assert "event_lost" not in [log["event"] for log in logs]


async def test_the_end_does_not_wait_for_a_receiver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRAIN_SECONDS", 0.01)
    scene = Scene()
    monkeypatch.setattr(scene.receiver, "send", lambda *_: asyncio.Event().wait())
    with capture_logs() as logs:
        async with scene.completions.open():
            await scene.complete()
    assert [log["count"] for log in logs if log["event"] == "events_lost"] == [1]


async def test_what_was_lost_is_sent_when_the_upload_is_completed_again() -> None:
    scene = Scene(*[FAILED] * 4)
    async with scene.completions.open():
        grant = await scene.bucket.creator.create(ANN, None, UploadRequest(filename="note.txt", size=5))
        scene.bucket.store(grant.plan.key, size=5)
        for _ in range(3):
            await scene.bucket.uploads.complete(ANN, grant.id)
            await scene.settled()
    # Four failures, and then once.
    assert len(scene.receiver.got) == 5
