"""Multipart uploads over an S3 that answers by a script: late, wrongly, or not at all."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import replace
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from botocore.retries.standard import ExponentialBackoff
from structlog.testing import capture_logs
from tests.support.api import assert_problem, created, s3_that_is_down
from tests.support.scripted_s3 import (
    BEGUN,
    DENIED,
    DONE,
    FAILED,
    FILM,
    GONE,
    GONE_IN_CEPH,
    MIB,
    NOTHING,
    PARTS,
    TAKEN,
    Answer,
    Stage,
    parts,
    performance,
    stored,
    unfinished,
)
from tests.support.service import service_client, settings_for
from tests.support.stubs import Canned

from uploadsvc.s3 import errors as storage_errors
from uploadsvc.s3 import multipart as multipart_storage
from uploadsvc.s3.multipart import MultipartStorage
from uploadsvc.s3.storage import ASSEMBLIES, CONNECTIONS
from uploadsvc.services import assembly
from uploadsvc.services.turns import AT_ONCE


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Give a test an S3 that plays by its script."""
    async with performance() as opened:
        yield opened


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a second or less where the service waits for some."""
    monkeypatch.setattr(storage_errors, "DEADLINE", 1.0)
    monkeypatch.setattr(assembly, "DEADLINE", 1.0)
    monkeypatch.setattr(multipart_storage, "PATIENCE", 0.1)


@pytest.fixture
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)


def assembling() -> list["asyncio.Task[object]"]:
    """Return the assemblies in progress."""
    return [
        task
        for task in asyncio.all_tasks()
        if getattr(task.get_coro(), "__qualname__", "") == "MultipartStorage._assemble"
    ]


@pytest.mark.parametrize(
    ("listed", "counted"),
    [
        ([(1, "a", 10), (1, "b", 11)], {1: "b"}),
        ([(1, "b", 11), (1, "a", 10)], {1: "b"}),
        ([(1, "a", 10), (1, "a", 10)], {1: "a"}),
        ([(1, "a", 10), (1, "b", 10)], {}),
        ([(1, "a", 10), (1, "b", 10), (1, "c", 11)], {1: "c"}),
        ([(2, "a", 10), (1, "b", 10), (1, "c", 10), (10, "d", 9), (3, "e", 9)], {2: "a", 3: "e"}),
        ([(1, "a", None), (1, "a", None)], {1: "a"}),
    ],
)
async def test_of_a_part_that_was_sent_twice_the_newest_counts(
    stage: Stage, listed: list[tuple[int, str, int | None]], counted: dict[int, str]
) -> None:
    """Some stores list every version. A part with two different versions of one second is sent again."""
    path, _ = await stage.upload()
    entries = "".join(
        f"<Part><PartNumber>{number}</PartNumber><Size>5</Size><ETag>{etag}</ETag>"
        + (f"<LastModified>2026-11-23T12:00:{second}Z</LastModified>" if second else "")
        + "</Part>"
        for number, etag, second in listed
    )
    stage.script["parts"] = [Canned(status=200, body=f"<ListPartsResult>{entries}</ListPartsResult>")]
    state = (await stage.api.get(path)).json()
    assert {part["part_number"]: part["etag"] for part in state["parts"]} == counted
    assert len(state["parts"]) == len(counted)
    assert state["status"] == ("uploading" if counted else "pending")


async def test_the_creation_carries_everything_that_describes_the_object(stage: Stage) -> None:
    """Only the creation calls S3; parts are signed locally."""
    path, claims = await stage.upload()
    assert stage.stub.requests == [f"POST /example-bucket/{claims.key}?uploads"]
    assert (await stage.api.post(f"{path}/parts", json={"part_numbers": [3]})).status_code == 200
    assert len(stage.stub.requests) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (DENIED, "storage_denied"),
        (Canned(status=404, code="NoSuchBucket"), "storage_misconfigured"),
        (Canned(status=501, code="NotImplemented"), "storage_misconfigured"),
        (Canned(status=503, code="SlowDown"), "storage_unavailable"),
    ],
)
@pytest.mark.usefixtures("_no_backoff")
async def test_an_upload_that_s3_refuses_to_create_has_no_id(stage: Stage, answer: Canned, code: str) -> None:
    """In a batch, the other uploads are created."""
    stage.script["create"] = [answer]
    assert_problem(await stage.api.post("/v1/uploads", json=FILM), code)
    batch = await stage.api.post("/v1/uploads/batch", json={"uploads": [FILM, {"size": 1}]})
    first, second = batch.json()["results"]
    assert first["problem"]["code"] == code
    assert second["upload"]["method"] == "put"


async def test_while_s3_is_down_puts_are_signed_and_multipart_uploads_fail() -> None:
    async with service_client(settings_for(s3_that_is_down())) as api:
        created(await api.post("/v1/uploads", json={"size": 5}))
        async with asyncio.timeout(5):
            answer = await api.post("/v1/uploads", json=FILM)
        assert_problem(answer, "storage_unavailable")
        assert int(answer.headers["retry-after"]) > 0


async def test_parts_are_listed_page_by_page(stage: Stage) -> None:
    path, _ = await stage.upload()
    pages = [parts(one, more=one[0] < 3) for one in PARTS]
    stage.script["parts"] = [*pages, *pages, *pages[:1], parts(PARTS[2])]
    state = (await stage.api.get(path)).json()
    assert [(part["part_number"], part["size"]) for part in state["parts"]] == list(PARTS)
    markers = [parse_qs(urlsplit(line).query)["part-number-marker"] for line in stage.asked("parts")]
    assert markers == [["0"], ["1"], ["2"]]
    stage.script["complete"], stage.script["head"] = [DONE], [NOTHING]
    assert_problem(await stage.api.post(f"{path}/complete"), "upload_incomplete")
    assert len(stage.asked("complete")) == 1
    lacking = await stage.api.post(f"{path}/complete")
    assert_problem(lacking, "upload_incomplete", "parts")
    assert "1 of 3 parts have not arrived: 2." in lacking.json()["detail"]


@pytest.mark.usefixtures("impatient")
async def test_an_endless_listing_of_parts_is_cut_off(stage: Stage) -> None:
    path, _ = await stage.upload()

    class Endless(list[Answer]):
        def pop(self, _index: object = -1) -> Canned:
            return parts((1, 1), more=True)

    stage.script["parts"] = Endless([None, None])
    async with asyncio.timeout(4):
        assert_problem(await stage.api.get(path), "storage_unavailable")
        assert_problem(await stage.api.post(f"{path}/complete"), "storage_unavailable")


@pytest.mark.parametrize("silent", ["create", "parts", "head", "uploads", "abort"])
@pytest.mark.usefixtures("impatient")
async def test_a_silent_s3_becomes_a_503_in_time(stage: Stage, silent: str) -> None:
    path, claims = await stage.upload()
    stage.script |= {
        "complete": [DONE],
        "head": [stored(claims.upload_uuid)],
        "abort": [GONE],
        silent: [None],
    }
    async with asyncio.timeout(4):
        match silent:
            case "create":
                answer = await stage.api.post("/v1/uploads", json=FILM)
            case "uploads":
                answer = await stage.api.get("/v1/uploads")
            case "abort":
                answer = await stage.api.delete(path)
            case _:
                answer = await stage.api.post(f"{path}/complete")
    assert_problem(answer, "storage_unavailable")


@pytest.mark.usefixtures("_no_backoff")
async def test_a_completion_with_status_200_and_an_error_is_retried_and_then_fails(stage: Stage) -> None:
    """S3 sends the status before it has assembled the parts."""
    path, claims = await stage.upload()
    stage.script["complete"] = [FAILED]
    assert_problem(await stage.api.post(f"{path}/complete"), "storage_unavailable")
    assert len(stage.asked("complete")) == 3
    stage.script |= {"complete": [FAILED, DONE], "head": [stored(claims.upload_uuid)]}
    assert (await stage.api.post(f"{path}/complete")).status_code == 200
    assert len(stage.asked("complete")) == 5


@pytest.fixture
async def late(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator["asyncio.Future[Canned]"]:
    """Give S3's answer to a completion: there as soon as somebody waits for it who did not ask first."""
    answer: asyncio.Future[Canned] = asyncio.get_running_loop().create_future()
    joined = MultipartStorage.joined

    async def seen(storage: MultipartStorage, upload_id: str) -> bool:
        # Whoever asks first comes twice: before there is an assembly, and after.
        waiting = upload_id in storage._assembling
        seen.times += waiting  # type: ignore[attr-defined] # a counter of its own
        if seen.times == 2 and not answer.done():  # type: ignore[attr-defined]
            monkeypatch.setattr(multipart_storage, "PATIENCE", 3.0)
            answer.set_result(DONE)
        return await joined(storage, upload_id)

    seen.times = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(MultipartStorage, "joined", seen)
    yield answer
    answer.cancel()


@pytest.mark.usefixtures("impatient")
async def test_a_repeated_completion_waits_for_the_same_assembly(
    stage: Stage, late: "asyncio.Future[Canned]"
) -> None:
    """Meanwhile the parts are not listed again, and nothing is assembled twice."""
    path, claims = await stage.upload()
    stage.script |= {"parts": [parts(*PARTS), None], "complete": [late], "head": [stored(claims.upload_uuid)]}
    async with asyncio.timeout(4):
        first = await stage.api.post(f"{path}/complete")
    assert_problem(first, "storage_unavailable")
    assert "still assembling the parts" in first.json()["detail"]
    assert int(first.headers["retry-after"]) > 0
    second = await stage.api.post(f"{path}/complete")
    assert second.status_code == 200, second.text
    assert len(stage.asked("complete")) == 1
    assert assembling() == []


async def test_two_completions_at_once_wait_for_one_assembly(
    stage: Stage, late: "asyncio.Future[Canned]"
) -> None:
    path, claims = await stage.upload()
    both = asyncio.Barrier(2)

    async def listed_together() -> Canned:
        await both.wait()
        return parts(*PARTS)

    stage.script |= {"parts": [listed_together], "complete": [late], "head": [stored(claims.upload_uuid)]}
    answers = await asyncio.gather(*(stage.api.post(f"{path}/complete") for _ in range(2)))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(stage.asked("complete")) == 1


def test_a_caller_has_an_answer_within_five_seconds() -> None:
    assert multipart_storage.PATIENCE < storage_errors.DEADLINE < 5


@pytest.mark.usefixtures("impatient")
async def test_an_assembly_that_fails_while_no_one_waits_is_logged_once(stage: Stage) -> None:
    """The next completion starts it again."""
    path, claims = await stage.upload()
    answer: asyncio.Future[Canned] = asyncio.get_running_loop().create_future()
    stage.script |= {"complete": [answer, DONE], "head": [stored(claims.upload_uuid)]}
    complaints: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    try:
        with capture_logs() as logs:
            assert_problem(await stage.api.post(f"{path}/complete"), "storage_unavailable")
            (task,) = assembling()
            answer.set_result(DENIED)
            await asyncio.wait({task})
        del task
        gc.collect()
    finally:
        loop.set_exception_handler(None)
    assert complaints == []
    assert [line["code"] for line in logs if line["event"] == "s3_refused"] == ["AccessDenied"]
    assert (await stage.api.post(f"{path}/complete")).status_code == 200
    assert len(stage.asked("complete")) == 2


@pytest.mark.usefixtures("impatient")
async def test_closing_the_app_cancels_an_assembly_silently() -> None:
    async with performance() as stage:
        path, _ = await stage.upload()
        stage.script["complete"] = [None]
        assert_problem(await stage.api.post(f"{path}/complete"), "storage_unavailable")
        assert len(assembling()) == 1
    assert assembling() == []


@pytest.mark.parametrize("gone", [GONE, GONE_IN_CEPH], ids=["gone", "gone in Ceph"])
@pytest.mark.parametrize("answer", [GONE, TAKEN], ids=["gone", "taken"])
@pytest.mark.usefixtures("_no_backoff")
async def test_a_completion_whose_answer_was_lost_succeeds_when_repeated(
    stage: Stage, answer: Canned, gone: Canned
) -> None:
    """The object names the upload in its metadata."""
    path, claims = await stage.upload()
    stage.script |= {"complete": [Canned(status=500), answer], "head": [stored(claims.upload_uuid)]}
    done = await stage.api.post(f"{path}/complete")
    assert done.status_code == 200, done.text
    stage.script["parts"] = [gone]
    again = await stage.api.post(f"{path}/complete")
    assert again.json()["object"] == done.json()["object"]
    assert (await stage.api.get(path)).json()["status"] == "stored"


@pytest.mark.parametrize("gone", [GONE, GONE_IN_CEPH], ids=["gone", "gone in Ceph"])
@pytest.mark.parametrize("mark", [None, "0" * 32, ""])
async def test_an_object_of_another_upload_completes_nothing(
    stage: Stage, mark: str | None, gone: Canned
) -> None:
    """Even with the same key and size."""
    path, _ = await stage.upload()
    stage.script |= {"parts": [gone], "head": [stored(mark)], "abort": [gone]}
    assert_problem(await stage.api.post(f"{path}/complete"), "upload_aborted")
    assert (await stage.api.get(path)).json()["status"] == "aborted"
    assert (await stage.api.delete(path)).status_code == 204
    assert stage.asked("delete") == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (GONE, "upload_aborted"),
        (TAKEN, "object_exists"),
        (Canned(status=400, code="InvalidPart"), "upload_incomplete"),
        (Canned(status=400, code="EntityTooSmall"), "upload_incomplete"),
        (Canned(status=400, code="BadDigest"), "verification_failed"),
        (DENIED, "storage_denied"),
        (Canned(status=400, code="InvalidRequest"), "storage_misconfigured"),
        (Canned(status=409, code="ConditionalRequestConflict"), "storage_unavailable"),
    ],
)
@pytest.mark.usefixtures("_no_backoff")
async def test_each_refusal_to_assemble_has_its_own_code(stage: Stage, answer: Canned, code: str) -> None:
    path, _ = await stage.upload()
    stage.script |= {"complete": [answer], "head": [stored("0" * 32)]}
    assert_problem(await stage.api.post(f"{path}/complete"), code)


@pytest.mark.parametrize("size", [0, 5 * MIB - 1, 5 * MIB + 1])
async def test_a_part_of_another_size_counts_as_missing(stage: Stage, size: int) -> None:
    """Some stores do not enforce the signed length."""
    path, _ = await stage.upload()
    stage.script |= {"parts": [parts(PARTS[0], (2, size), PARTS[2])], "head": [NOTHING]}
    answer = await stage.api.post(f"{path}/complete")
    assert_problem(answer, "upload_incomplete", "parts")
    assert "1 of 3 parts have not arrived: 2." in answer.json()["detail"]
    assert stage.asked("complete") == []


async def test_the_assembled_object_is_verified(stage: Stage) -> None:
    path, claims = await stage.upload()
    stage.script |= {"complete": [DONE], "head": [stored(claims.upload_uuid, size=11 * MIB + 1)]}
    assert_problem(await stage.api.post(f"{path}/complete"), "verification_failed", "size")


async def test_aborting_keeps_a_stored_object_if_callers_may_not_delete(stage: Stage) -> None:
    path, claims = await stage.upload()
    stage.script |= {"abort": [GONE], "head": [stored(claims.upload_uuid)]}
    assert_problem(await stage.api.delete(path), "forbidden")
    assert stage.asked("delete") == []


@pytest.mark.parametrize("name", ["a b.mp4", "写真\u3000\u200b1.mp4", "\U0001fae9 new.mp4", "&<>\"'+%.mp4"])
async def test_a_cursor_continues_where_the_page_ended(stage: Stage, name: str) -> None:
    """Whatever characters the key has."""
    key = f"uploads/alice/{name}"
    stage.script["uploads"] = [unfinished(key, following=(key, "U-1")), unfinished()]
    page = (await stage.api.get("/v1/uploads", params={"limit": 1})).json()
    assert [upload["key"] for upload in page["uploads"]] == [key]
    answer = await stage.api.get("/v1/uploads", params={"cursor": page["cursor"]})
    assert answer.json() == {"uploads": [], "cursor": None}
    first, second = (parse_qs(urlsplit(line).query) for line in stage.asked("uploads"))
    assert (first["prefix"], first["max-uploads"]) == (["uploads/alice/"], ["1"])
    assert (second["key-marker"], second["upload-id-marker"]) == ([key], ["U-1"])
    assert second["prefix"] == ["uploads/alice/"]


async def test_a_store_that_ignores_the_prefix_reveals_no_other_users(stage: Stage) -> None:
    """Neither in the list nor in the cursor, which is readable."""
    mine, others = "uploads/alice/a", "uploads/bob/secret"
    stage.script["uploads"] = [unfinished(mine, others, following=(others, "U-1"))]
    page = (await stage.api.get("/v1/uploads")).json()
    assert [upload["key"] for upload in page["uploads"]] == [mine]
    assert page["cursor"] is None


def begun_each() -> Callable[[], Awaitable[Canned]]:
    """Return an answer to creations, with another id each time."""
    ids = count()

    async def begun() -> Canned:
        return replace(BEGUN, body=BEGUN.body.replace("U-1", f"U-{next(ids)}"))

    return begun


async def test_assemblies_that_never_end_leave_connections_to_other_calls(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 of them: they have connections of their own, and one above the limit is refused."""
    monkeypatch.setattr(multipart_storage, "PATIENCE", 0.1)
    stage.script |= {"complete": [None], "uploads": [unfinished()], "head": [stored(None)]}
    stage.script["create"] = [begun_each()]
    refusals = []
    for _ in range(10):
        addresses = [(await stage.upload())[0] for _ in range(50)]
        told = await asyncio.gather(*(stage.api.post(f"{upload}/complete") for upload in addresses))
        for answer in told:
            assert_problem(answer, "storage_unavailable")
            assert int(answer.headers["retry-after"]) > 0
            refusals += ["Too many" in answer.text]
    assert sum(refusals) == 500 - multipart_storage.MAX_ASSEMBLING
    assert len(stage.asked("complete")) == ASSEMBLIES < CONNECTIONS
    for path in ("/v1/uploads", "/v1/object?key=uploads/alice/film.mp4", addresses[0]):
        others = await asyncio.gather(*(stage.api.get(path) for _ in range(CONNECTIONS)))
        assert {answer.status_code for answer in others} == {200}
    assert len(stage.asked("head")) == CONNECTIONS
    await stage.upload()


@pytest.mark.usefixtures("impatient")
async def test_an_assembly_that_never_ends_is_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise it would keep others from being assembled."""
    monkeypatch.setattr(multipart_storage, "ASSEMBLY_DEADLINE", 0.3)
    monkeypatch.setattr(multipart_storage, "MAX_ASSEMBLING", 1)
    stage.script["create"] = [begun_each()]
    (one, _), (other, claims) = await stage.upload(), await stage.upload()
    stage.script |= {"complete": [None, DONE], "head": [stored(claims.upload_uuid)]}
    assert "still assembling" in (await stage.api.post(f"{one}/complete")).text
    assert "Too many" in (await stage.api.post(f"{other}/complete")).text
    await asyncio.wait(assembling())
    assert (await stage.api.post(f"{other}/complete")).status_code == 200
    assert len(stage.asked("complete")) == 2


async def rounds_during(call: Coroutine[Any, Any, httpx.Response]) -> int:
    """Return how often the event loop looks for what has arrived until a call is answered."""
    rounds = 0

    async def watch() -> None:
        nonlocal rounds
        while True:
            await asyncio.sleep(0)
            rounds += 1

    watching = asyncio.create_task(watch())
    try:
        assert (await call).status_code == 200
    finally:
        watching.cancel()
    return rounds


async def test_many_parts_are_signed_in_slices(stage: Stage) -> None:
    """Other requests are served in between."""
    address, _ = await stage.upload(size=1000 * 5 * MIB)

    def sign(count: int) -> Coroutine[Any, Any, httpx.Response]:
        return stage.api.post(f"{address}/parts", json={"part_numbers": list(range(1, count + 1))})

    few = await rounds_during(sign(100))
    assert await rounds_during(sign(1000)) >= few + 9


async def test_a_batch_begins_some_uploads_at_once(stage: Stage) -> None:
    """All of them would hold the event loop."""
    open_now, most = 0, 0

    async def begun() -> Canned:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.01)
        open_now -= 1
        return BEGUN

    stage.script["create"] = [begun]
    answer = await stage.api.post("/v1/uploads/batch", json={"uploads": [FILM] * 30})
    assert [result["upload"]["part_count"] for result in answer.json()["results"]] == [3] * 30
    assert 1 < most <= AT_ONCE
