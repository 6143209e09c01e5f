"""Many calls to an S3 that hangs: they delay no one for longer than their deadline."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from tests.support.api import assert_problem, created
from tests.support.scripted_s3 import BEGUN, FILM, Stage, performance, stored, unfinished
from tests.support.service import authorization

from uploadsvc.s3 import errors, slots, storage
from uploadsvc.services import assembly

if TYPE_CHECKING:
    import httpx


CONNECTIONS = 8
LONG = 60.0


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Provide the service over an S3 that hangs, except for the creation of one upload."""
    monkeypatch.setattr(storage, "CONNECTIONS", CONNECTIONS)
    async with performance() as stage:
        stage.script |= {key: [None] for key in ("head", "complete", "parts", "uploads")}
        stage.script["create"] = [BEGUN, None]
        yield stage


def set_deadlines(monkeypatch: pytest.MonkeyPatch, *, waiting: float, call: float) -> None:
    monkeypatch.setattr(slots, "PATIENCE", waiting)
    monkeypatch.setattr(errors, "DEADLINE", call)
    monkeypatch.setattr(assembly, "DEADLINE", call)


async def hang(stage: Stage, count: int) -> list["asyncio.Task[httpx.Response]"]:
    """Begin calls that S3 does not answer: heads, creations, completions, listings."""
    upload, _ = await stage.upload()
    before = len(stage.stub.requests)
    calls = [
        lambda: stage.api.get("/v1/object?key=uploads/alice/film.mp4"),
        lambda: stage.api.post("/v1/uploads", json=FILM),
        lambda: stage.api.post(f"{upload}/complete"),
        lambda: stage.api.get(upload),
    ]
    begun = [asyncio.create_task(calls[number % len(calls)]()) for number in range(count)]
    while len(stage.stub.requests) - before < CONNECTIONS:  # noqa: ASYNC110 - the stub sets no event
        await asyncio.sleep(0.001)
    return begun


async def assert_as_before(stage: Stage) -> None:
    """Assert that all calls to S3 work again."""
    stage.script |= {"uploads": [unfinished()], "head": [stored(None)]}
    others = await asyncio.gather(*(stage.api.get("/v1/uploads") for _ in range(3 * CONNECTIONS)))
    assert {answer.status_code for answer in others} == {200}, "slots are given back"


async def test_hanging_calls_delay_no_presigned_upload(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 of them; and when their callers go away, everything is as before."""
    set_deadlines(monkeypatch, waiting=LONG, call=LONG)
    calls = await hang(stage, 500)
    for user in ("alice", "bob"):
        for _ in range(50):
            answer = await stage.api.post("/v1/uploads", json={"size": 1}, headers=authorization(user))
            created(answer)
    assert not any(call.done() for call in calls), "presigning has waited for S3"
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await assert_as_before(stage)


async def test_hanging_calls_delay_other_users_until_their_deadline(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some wait for S3, the others for them, and all are told to try again."""
    set_deadlines(monkeypatch, waiting=0.2, call=LONG)
    calls = await hang(stage, CONNECTIONS + 2)
    with capture_logs() as logs:
        other = await stage.api.get("/v1/uploads", headers=authorization("bob"))
    assert_problem(other, "storage_unavailable")
    assert int(other.headers["retry-after"]) > 0
    assert [(line["event"], line["operation"]) for line in logs if line["log_level"] == "warning"][-1:] == [
        ("s3_busy", "list_multipart_uploads")
    ]
    assert sum(not call.done() for call in calls) >= CONNECTIONS
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    set_deadlines(monkeypatch, waiting=LONG, call=0.3)
    for answer in await asyncio.gather(*(stage.api.get("/v1/uploads") for _ in range(CONNECTIONS))):
        assert_problem(answer, "storage_unavailable")
    await assert_as_before(stage)
