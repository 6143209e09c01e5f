"""Many calls to an S3 that hangs: they delay no one for longer than their deadline."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from tests.support.api import assert_problem, created
from tests.support.scripted_s3 import BEGUN, FILM, Stage, performance, stored, unfinished
from tests.support.service import authorization

from uploadsvc.s3 import errors, multipart, slots
from uploadsvc.s3.storage import ASSEMBLIES, CONNECTIONS
from uploadsvc.services import assembly

if TYPE_CHECKING:
    import httpx


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Provide the service over an S3 that hangs; wait for less than it does."""
    monkeypatch.setattr(slots, "PATIENCE", 0.3)
    monkeypatch.setattr(errors, "DEADLINE", 1.5)
    monkeypatch.setattr(assembly, "DEADLINE", 1.5)
    monkeypatch.setattr(multipart, "PATIENCE", 0.1)
    async with performance() as stage:
        yield stage


def hanging(stage: Stage, upload: str) -> list["asyncio.Task[httpx.Response]"]:
    """Begin 500 calls that S3 does not answer: heads, creations and completions."""
    api = stage.api
    calls = [
        lambda: api.get("/v1/object?key=uploads/alice/film.mp4"),
        lambda: api.post("/v1/uploads", json=FILM),
        lambda: api.post(f"{upload}/complete"),
        lambda: api.get(upload),
    ]
    return [asyncio.create_task(calls[number % len(calls)]()) for number in range(500)]


async def test_calls_that_hang_delay_neither_presigning_nor_other_users(stage: Stage) -> None:
    """Some wait for S3, the others for them, and all are told to try again. Then everything is as before."""
    upload, _ = await stage.upload()
    silent = asyncio.Event()
    before = len(stage.stub.requests)

    async def late() -> None:
        await silent.wait()

    for name in ("head", "create", "complete", "parts", "uploads"):
        stage.script[name] = [late]  # type: ignore[list-item] # S3 hangs, and then breaks the connection
    with capture_logs() as logs:
        calls = hanging(stage, upload)
        while len(stage.stub.requests) - before < CONNECTIONS:  # noqa: ASYNC110 - the stub sets no event
            await asyncio.sleep(0)
        assert not any(call.done() for call in calls)
        for user in ("alice", "bob"):
            answer = await stage.api.post("/v1/uploads", json={"size": 1}, headers=authorization(user))
            created(answer)
        assert not any(call.done() for call in calls), "presigning has waited for S3"
        other = await stage.api.get("/v1/uploads", headers=authorization("bob"))
        assert_problem(other, "storage_unavailable")
        assert "Too many other calls" in other.text
        assert sum(not call.done() for call in calls) >= CONNECTIONS, "another user has waited for S3"
        for answer in await asyncio.gather(*calls):
            assert_problem(answer, "storage_unavailable")
            assert int(answer.headers["retry-after"]) > 0
    assert {"s3_busy", "s3_unreachable"} <= {line["event"] for line in logs}
    assert len(stage.stub.requests) - before <= CONNECTIONS + ASSEMBLIES
    silent.set()
    stage.script |= {"create": [BEGUN], "uploads": [unfinished()], "head": [stored(None)]}
    others = await asyncio.gather(*(stage.api.get("/v1/uploads") for _ in range(2 * CONNECTIONS)))
    assert {answer.status_code for answer in others} == {200}, "slots are given back"
