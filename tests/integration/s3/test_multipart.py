"""Whatever S3 says of a multipart upload or does not say, a caller gets the right answer, in time."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import pytest
from botocore.retries.standard import ExponentialBackoff
from structlog.testing import capture_logs
from tests.support.api import assert_problem, created, s3_that_is_down
from tests.support.service import SECRET_KEY, service_client, settings_for
from tests.support.stubs import Canned, Stub, stub_s3

from uploadsvc.s3 import errors as storage_errors
from uploadsvc.s3 import multipart as multipart_storage
from uploadsvc.s3.multipart import MultipartStorage
from uploadsvc.services import uploads
from uploadsvc.tokens.signed_ids import SignedIds, UploadClaims

if TYPE_CHECKING:
    import httpx

MIB: Final = 1024**2
POLICIES: Final[dict[str, Any]] = {"default": {"part_size": "5MiB", "client_keys": True}}
FILM: Final = {"size": 11 * MIB, "method": "multipart", "filename": "film.mp4"}
PARTS: Final = ((1, 5 * MIB), (2, 5 * MIB), (3, MIB))

BEGUN: Final = Canned(
    status=200,
    body="<InitiateMultipartUploadResult><UploadId>U-1</UploadId></InitiateMultipartUploadResult>",
)
DONE: Final = Canned(
    status=200, body="<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
)
FAILED: Final = Canned(status=200, code="InternalError")
GONE: Final = Canned(status=404, code="NoSuchUpload")
TAKEN: Final = Canned(status=412, code="PreconditionFailed")
DENIED: Final = Canned(status=403, code="AccessDenied")
NOTHING: Final = Canned(status=404)


def parts(*listed: tuple[int, int], more: bool = False) -> Canned:
    """Return a page of parts, by number and size."""
    entries = "".join(
        f"<Part><PartNumber>{number}</PartNumber><Size>{size}</Size><ETag>&quot;e{number}&quot;</ETag></Part>"
        for number, size in listed
    )
    truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
    return Canned(status=200, body=f"<ListPartsResult>{truncated}{entries}</ListPartsResult>")


def unfinished(*keys: str, following: tuple[str, str] | None = None) -> Canned:
    """Return a page of uploads, by their keys."""
    entries = "".join(
        f"<Upload><Key>{escape(key)}</Key><UploadId>U-1</UploadId>"
        "<Initiated>2026-11-23T12:00:00.000Z</Initiated></Upload>"
        for key in keys
    )
    markers = ""
    if following:
        key, upload_id = (escape(marker) for marker in following)
        markers = (
            f"<NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{upload_id}</NextUploadIdMarker>"
            "<IsTruncated>true</IsTruncated>"
        )
    body = f"<ListMultipartUploadsResult>{entries}{markers}</ListMultipartUploadsResult>"
    return Canned(status=200, body=body)


def stored(mark: str | None, *, size: int = 11 * MIB) -> Canned:
    """Return the facts of an object that came from an upload, or from none."""
    headers = [("ETag", '"e"'), ("Last-Modified", "Mon, 23 Nov 2026 12:00:00 GMT")]
    if mark is not None:
        headers.append(("x-amz-meta-uploadsvc-upload", mark))
    return Canned(status=200, length=size, content_type="video/mp4", headers=headers)


def operation(request: str) -> str:
    """Return what a request asks for, in one word."""
    method, _, target = request.partition(" ")
    query = parse_qs(urlsplit(target).query, keep_blank_values=True)
    if method == "GET":
        return "uploads" if "uploads" in query else "parts"
    if method == "POST":
        return "create" if "uploads" in query else "complete"
    return "abort" if "uploadId" in query else method.lower()


Answer = Canned | asyncio.Future[Canned] | Callable[[], Awaitable[Canned]] | None


class Stage:
    """The service over an S3 that plays by a script.

    Attributes:
        api: Calls the service as alice.
        script: By the operation, what S3 answers to it in turn; the last answer to all that follow.
    """

    def __init__(self) -> None:
        self.script: dict[str, list[Answer]] = {"create": [BEGUN], "parts": [parts(*PARTS)]}
        self.api: httpx.AsyncClient
        self.stub: Stub

    async def play(self, request: str) -> Canned | None:
        """Choose the answer to a request."""
        answers = self.script[operation(request)]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, asyncio.Future):
            return await answer
        return await answer() if callable(answer) else answer

    def asked(self, name: str) -> list[str]:
        """Return the requests for an operation."""
        return [request for request in self.stub.requests if operation(request) == name]

    async def upload(self, **fields: object) -> tuple[str, UploadClaims]:
        """Begin an upload; return its address, and what its id carries."""
        upload = created(await self.api.post("/v1/uploads", json={**FILM, **fields}))
        return f"/v1/uploads/{upload['id']}", SignedIds([SECRET_KEY.encode()]).verify(upload["id"])


@asynccontextmanager
async def performance() -> AsyncIterator[Stage]:
    """Open a stage."""
    stage = Stage()
    async with stub_s3(stage.play) as stub:
        server = replace(s3_that_is_down(), endpoint_url=stub.endpoint_url)
        async with service_client(settings_for(server, policies=POLICIES)) as api:
            stage.stub, stage.api = stub, api
            yield stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Give a test an S3 that plays by its script."""
    async with performance() as opened:
        yield opened


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a second or less where the service waits for some."""
    monkeypatch.setattr(storage_errors, "DEADLINE", 1.0)
    monkeypatch.setattr(uploads, "DEADLINE", 1.0)
    monkeypatch.setattr(multipart_storage, "PATIENCE", 0.1)


@pytest.fixture
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)


def assembling() -> list["asyncio.Task[object]"]:
    """Return what is being put together now."""
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
    """S3 lists that alone, but not every store does. Where nobody can say which it is, it is sent again."""
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


async def test_s3_is_told_all_that_describes_the_object(stage: Stage) -> None:
    """An upload begins by one request; parts are signed without any."""
    path, handle = await stage.upload()
    assert stage.stub.requests == [f"POST /example-bucket/{handle.key}?uploads"]
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
async def test_an_upload_that_s3_does_not_begin_is_none(stage: Stage, answer: Canned, code: str) -> None:
    """The caller is told why, and gets no id; in a batch, the others go on."""
    stage.script["create"] = [answer]
    assert_problem(await stage.api.post("/v1/uploads", json=FILM), code)
    batch = await stage.api.post("/v1/uploads/batch", json={"uploads": [FILM, {"size": 1}]})
    first, second = batch.json()["results"]
    assert first["problem"]["code"] == code
    assert second["upload"]["method"] == "put"


async def test_while_s3_is_down_one_request_is_still_signed() -> None:
    """An upload in parts has to be begun there, and is refused within five seconds."""
    async with service_client(settings_for(s3_that_is_down())) as api:
        created(await api.post("/v1/uploads", json={"size": 5}))
        async with asyncio.timeout(5):
            answer = await api.post("/v1/uploads", json=FILM)
        assert_problem(answer, "storage_unavailable")
        assert int(answer.headers["retry-after"]) > 0


async def test_parts_are_listed_page_by_page(stage: Stage) -> None:
    """S3 lists a thousand at once; here it is one."""
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
async def test_a_listing_without_end_is_cut_off(stage: Stage) -> None:
    """However fast each page comes: a caller does not wait for all of them."""
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
async def test_a_silent_s3_is_told_in_time(stage: Stage, silent: str) -> None:
    """Whichever answer it owes."""
    path, handle = await stage.upload()
    stage.script |= {
        "complete": [DONE],
        "head": [stored(handle.upload_uuid)],
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
async def test_a_200_with_an_error_is_a_failure(stage: Stage) -> None:
    """S3 says 200 before it has put the parts together. The request is tried again, and then given up."""
    path, handle = await stage.upload()
    stage.script["complete"] = [FAILED]
    assert_problem(await stage.api.post(f"{path}/complete"), "storage_unavailable")
    assert len(stage.asked("complete")) == 3
    stage.script |= {"complete": [FAILED, DONE], "head": [stored(handle.upload_uuid)]}
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
async def test_who_asks_again_waits_for_the_same_assembly(
    stage: Stage, late: "asyncio.Future[Canned]"
) -> None:
    """S3 may take minutes. The parts are not listed meanwhile, and nothing is put together twice."""
    path, handle = await stage.upload()
    stage.script |= {"parts": [parts(*PARTS), None], "complete": [late], "head": [stored(handle.upload_uuid)]}
    async with asyncio.timeout(4):
        first = await stage.api.post(f"{path}/complete")
    assert_problem(first, "storage_unavailable")
    assert "still assembling the parts" in first.json()["detail"]
    assert int(first.headers["retry-after"]) > 0
    second = await stage.api.post(f"{path}/complete")
    assert second.status_code == 200, second.text
    assert len(stage.asked("complete")) == 1
    assert assembling() == []


async def test_two_who_ask_at_once_wait_for_one_assembly(
    stage: Stage, late: "asyncio.Future[Canned]"
) -> None:
    """Both have seen all parts there."""
    path, handle = await stage.upload()
    both = asyncio.Barrier(2)

    async def listed_together() -> Canned:
        await both.wait()
        return parts(*PARTS)

    stage.script |= {"parts": [listed_together], "complete": [late], "head": [stored(handle.upload_uuid)]}
    answers = await asyncio.gather(*(stage.api.post(f"{path}/complete") for _ in range(2)))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(stage.asked("complete")) == 1


def test_a_caller_has_an_answer_within_five_seconds() -> None:
    """Whatever has to be asked of S3 for it."""
    assert multipart_storage.PATIENCE < storage_errors.DEADLINE < 5


@pytest.mark.usefixtures("impatient")
async def test_an_assembly_that_fails_unseen_makes_no_noise(stage: Stage) -> None:
    """It is in the log, once; the next one who asks begins it anew."""
    path, handle = await stage.upload()
    answer: asyncio.Future[Canned] = asyncio.get_running_loop().create_future()
    stage.script |= {"complete": [answer, DONE], "head": [stored(handle.upload_uuid)]}
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
async def test_closing_leaves_no_assembly() -> None:
    """It ends with the app, without a word."""
    async with performance() as stage:
        path, _ = await stage.upload()
        stage.script["complete"] = [None]
        assert_problem(await stage.api.post(f"{path}/complete"), "storage_unavailable")
        assert len(assembling()) == 1
    assert assembling() == []


@pytest.mark.parametrize("answer", [GONE, TAKEN], ids=["gone", "taken"])
@pytest.mark.usefixtures("_no_backoff")
async def test_a_lost_answer_is_found_again(stage: Stage, answer: Canned) -> None:
    """What S3 had put together before its answer was lost carries the upload's mark."""
    path, handle = await stage.upload()
    stage.script |= {"complete": [Canned(status=500), answer], "head": [stored(handle.upload_uuid)]}
    done = await stage.api.post(f"{path}/complete")
    assert done.status_code == 200, done.text
    stage.script["parts"] = [GONE]
    again = await stage.api.post(f"{path}/complete")
    assert again.json()["object"] == done.json()["object"]
    assert (await stage.api.get(path)).json()["status"] == "stored"


@pytest.mark.parametrize("mark", [None, "0" * 32, ""])
async def test_an_older_object_proves_nothing(stage: Stage, mark: str | None) -> None:
    """The same key and size; it is of another upload, or of none."""
    path, _ = await stage.upload()
    stage.script |= {"parts": [GONE], "head": [stored(mark)], "abort": [GONE]}
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
async def test_a_refusal_to_assemble_is_told_apart(stage: Stage, answer: Canned, code: str) -> None:
    """Each is something else to do for a client."""
    path, _ = await stage.upload()
    stage.script |= {"complete": [answer], "head": [stored("0" * 32)]}
    assert_problem(await stage.api.post(f"{path}/complete"), code)


@pytest.mark.parametrize("size", [0, 5 * MIB - 1, 5 * MIB + 1])
async def test_a_part_of_another_size_has_not_arrived(stage: Stage, size: int) -> None:
    """A store that does not hold to the length that was signed has nothing that could be put together."""
    path, _ = await stage.upload()
    stage.script |= {"parts": [parts(PARTS[0], (2, size), PARTS[2])], "head": [NOTHING]}
    answer = await stage.api.post(f"{path}/complete")
    assert_problem(answer, "upload_incomplete", "parts")
    assert "1 of 3 parts have not arrived: 2." in answer.json()["detail"]
    assert stage.asked("complete") == []


async def test_what_was_put_together_is_compared(stage: Stage) -> None:
    """As what came by one request is."""
    path, handle = await stage.upload()
    stage.script |= {"complete": [DONE], "head": [stored(handle.upload_uuid, size=11 * MIB + 1)]}
    assert_problem(await stage.api.post(f"{path}/complete"), "verification_failed", "size")


async def test_what_is_stored_stays_where_callers_may_not_delete(stage: Stage) -> None:
    """Giving up throws parts away; an object is more."""
    path, handle = await stage.upload()
    stage.script |= {"abort": [GONE], "head": [stored(handle.upload_uuid)]}
    assert_problem(await stage.api.delete(path), "forbidden")
    assert stage.asked("delete") == []


@pytest.mark.parametrize("name", ["a b.mp4", "写真\u3000\u200b1.mp4", "\U0001fae9 new.mp4", "&<>\"'+%.mp4"])
async def test_a_cursor_goes_on_where_the_page_ended(stage: Stage, name: str) -> None:
    """Whatever a key is made of."""
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


async def test_a_store_that_ignores_the_prefix_tells_nobody_of_others(stage: Stage) -> None:
    """Neither in the list, nor in the cursor, which anyone can read."""
    mine, others = "uploads/alice/a", "uploads/bob/secret"
    stage.script["uploads"] = [unfinished(mine, others, following=(others, "U-1"))]
    page = (await stage.api.get("/v1/uploads")).json()
    assert [upload["key"] for upload in page["uploads"]] == [mine]
    assert page["cursor"] is None
