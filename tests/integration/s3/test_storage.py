"""Whatever S3 says or does not say, a caller gets the right problem, in time."""

import asyncio
import platform
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from unittest.mock import patch

import httpx
import pytest
from botocore import handlers
from structlog.testing import capture_logs
from tests.support.api import assert_problem, s3_that_is_down
from tests.support.servers import S3Server
from tests.support.service import service_client, settings_for
from tests.support.stubs import Canned, Stub, stub_s3

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.errors import StorageUnavailable
from uploadsvc.s3 import answers
from uploadsvc.s3 import errors as storage_errors
from uploadsvc.s3 import storage as storage_module
from uploadsvc.s3.errors import DEADLINE
from uploadsvc.s3.storage import Storage
from uploadsvc.telemetry.metrics import Metrics

Call = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


async def listing(client: httpx.AsyncClient) -> httpx.Response:
    """Ask for what S3 answers with a body."""
    return await client.get("/v1/objects")


async def head(client: httpx.AsyncClient) -> httpx.Response:
    """Ask for what S3 answers without a body, and so without a code."""
    return await client.get("/v1/object", params={"key": "uploads/alice/a.txt"})


@asynccontextmanager
async def over(answer: Canned | None) -> AsyncIterator[tuple[Stub, httpx.AsyncClient]]:
    """Run the service over a stub that gives one answer to everything."""
    async with stub_s3(answer) as stub:
        server = replace(s3_that_is_down(), endpoint_url=stub.endpoint_url)
        async with service_client(settings_for(server)) as client:
            yield stub, client


@pytest.mark.parametrize(("spaces", "times"), [(0, 1), (100_000, 0)])
async def test_a_large_answer_is_not_read_just_to_see_if_it_is_an_error(spaces: int, times: int) -> None:
    read = patch.object(handlers, "_looks_like_special_case_error", return_value=False)
    body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{' ' * spaces}</ListBucketResult>"
    async with over(Canned(status=200, body=body)) as (_, client):
        with read as reading:
            assert (await listing(client)).json() == {"objects": [], "cursor": None}
    assert reading.call_count == times


@pytest.mark.parametrize("end", ["</Error>", ""], ids=["an error", "cut off"])
@pytest.mark.parametrize("spaces", [0, 100_000])
async def test_an_error_with_the_status_of_success_is_retried(end: str, spaces: int) -> None:
    body = f"<Error><Code>InternalError</Code>{' ' * spaces}{end}"
    async with over(Canned(status=200, body=body)) as (stub, client):
        assert_problem(await listing(client), "storage_unavailable")
    assert len(stub.requests) == 3


@pytest.mark.parametrize("call", [listing, head])
async def test_s3_is_told_who_asks_and_nothing_of_the_machine(call: Call) -> None:
    async with over(Canned(status=403, code="AccessDenied")) as (stub, client):
        await call(client)
    for headers in stub.headers:
        agents = re.findall(r"(?im)^user-agent: (.*?)\r$", headers)
        assert len(agents) == 1
        assert agents[0].split()[0] == f"uploadsvc/{version('uploadsvc')}"
        assert not {platform.release(), platform.machine()} & set(re.split("[ /#]", agents[0]))


@pytest.mark.parametrize("call", [listing, head])
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Canned(status=403, code="AccessDenied"), "storage_denied"),
        (Canned(status=403, code="SignatureDoesNotMatch"), "storage_denied"),
        (Canned(status=401), "storage_denied"),
        (Canned(status=501, code="NotImplemented"), "storage_misconfigured"),
        (Canned(status=400, code="InvalidArgument"), "storage_misconfigured"),
    ],
)
async def test_a_refusal_is_classified_and_logged(call: Call, answer: Canned, code: str) -> None:
    """Without retries, and with S3's request id."""
    async with over(answer) as (stub, client):
        with capture_logs() as logs:
            assert_problem(await call(client), code)
    assert len(stub.requests) == 1
    (refused,) = (line for line in logs if line["event"] == "s3_refused")
    assert (refused["status"], refused["s3_request_id"]) == (answer.status, "REQUEST-0001")


async def beginning(client: httpx.AsyncClient) -> httpx.Response:
    """Begin a multipart upload."""
    return await client.post("/v1/uploads", json={"size": 5, "method": "multipart"})


@pytest.mark.parametrize("call", [listing, head, beginning])
@pytest.mark.parametrize("body", ["<html>Sign in first</html>", ""])
async def test_an_answer_that_is_not_s3s_is_misconfiguration(call: Call, body: str) -> None:
    """Such as a proxy's page with the status 200."""
    async with over(Canned(status=200, body=body, content_type="text/html")) as (_, client):
        assert_problem(await call(client), "storage_misconfigured")


async def test_a_missing_bucket_is_misconfiguration() -> None:
    """Not the caller's 404."""
    async with over(Canned(status=404, code="NoSuchBucket")) as (_, client):
        assert_problem(await listing(client), "storage_misconfigured")
        assert_problem(await client.get("/readyz"), "storage_misconfigured")


@pytest.mark.parametrize("headers", [[], [("x-amz-bucket-region", "eu-west-1")]])
@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.parametrize("call", [listing, head])
async def test_another_region_is_misconfiguration(
    call: Call, status: int, headers: list[tuple[str, str]]
) -> None:
    """Redirects are not followed: presigned URLs would still name the wrong region."""
    async with over(Canned(status=status, code="PermanentRedirect", headers=headers)) as (stub, client):
        assert_problem(await call(client), "storage_misconfigured")
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (listing, Canned(status=500, code="InternalError")),
        (listing, Canned(status=503, code="SlowDown")),
        (head, Canned(status=503)),
    ],
)
async def test_a_failure_is_tried_three_times_at_most(call: Call, answer: Canned) -> None:
    """Then the caller is told when to retry."""
    async with over(answer) as (stub, client):
        told = await call(client)
    assert_problem(told, "storage_unavailable")
    assert int(told.headers["retry-after"]) > 0
    assert 2 <= len(stub.requests) <= 3


@pytest.mark.parametrize("call", [listing, head])
async def test_a_closed_port_fails_within_the_deadline(call: Call) -> None:
    """All attempts together."""
    assert DEADLINE < 5
    async with service_client(settings_for(s3_that_is_down())) as client:
        async with asyncio.timeout(5):
            told = await call(client)
    assert_problem(told, "storage_unavailable")
    assert int(told.headers["retry-after"]) > 0


@pytest.mark.parametrize("call", [listing, head])
async def test_a_silent_s3_is_cut_off_by_the_deadline(call: Call) -> None:
    async with over(None) as (stub, client):
        with patch.object(storage_errors, "DEADLINE", 0.2), capture_logs() as logs:
            async with asyncio.timeout(2):
                told = await call(client)
    assert_problem(told, "storage_unavailable")
    assert len(stub.requests) <= 1
    (cut,) = (line for line in logs if line["event"] == "s3_unreachable")
    assert cut["error"] == "TimeoutError"


async def test_the_head_of_a_missing_object_is_none(moto_server: S3Server) -> None:
    """And deleting one is no error."""
    async with opened(moto_server.endpoint_url, moto_server.credentials, moto_server.bucket) as storage:
        assert await storage.head("uploads/alice/nothing") is None
        await storage.delete("uploads/alice/nothing")
        async with moto_server.client() as client:
            await client.put_object(Bucket=moto_server.bucket, Key="uploads/alice/some", Body=b"bytes")
        stored = await storage.head("uploads/alice/some")
    assert stored is not None
    assert stored.size == 5


async def test_a_bare_404_to_a_head_is_a_missing_object() -> None:
    """The answer to a HEAD has no code."""
    async with over(Canned(status=404)) as (_, client):
        assert_problem(await head(client), "not_found")


async def test_a_listing_goes_on_after_any_key(moto_server: S3Server) -> None:
    """The first object has the prefix itself as its key, as the folders of some programs do."""
    keys = [f"uploads/alice/{name}" for name in ("", "\x01", "\ta", "b//")]
    async with moto_server.client() as admin:
        for key in keys:
            await admin.put_object(Bucket=moto_server.bucket, Key=key, Body=b"")
    async with service_client(settings_for(moto_server)) as client:
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await client.get(
                "/v1/objects", params={"limit": 1, **({"cursor": cursor} if cursor else {})}
            )
            seen += [entry["key"] for entry in page.json()["objects"]]
            cursor = page.json()["cursor"]
            assert cursor != ""  # it would begin anew
    assert seen == keys


@asynccontextmanager
async def opened(endpoint_url: str, credentials: Credentials | None, bucket: str) -> AsyncIterator[Storage]:
    """Open a storage by itself."""
    storage = Storage(
        bucket=bucket,
        region="us-east-1",
        endpoint_url=endpoint_url,
        addressing_style="path",
        credentials=credentials,
        clock=lambda: datetime.now(UTC),
        metrics=Metrics(),
    )
    async with storage:
        yield storage


async def test_a_storage_that_is_not_open_says_so() -> None:
    storage = Storage(
        bucket="b",
        region="us-east-1",
        endpoint_url=None,
        addressing_style="path",
        credentials=None,
        clock=lambda: datetime.now(UTC),
        metrics=Metrics(),
    )
    with pytest.raises(RuntimeError, match="lifespan"):
        await storage.head("a")


async def test_opening_does_not_wait_for_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are fetched in the background; closing cancels the fetch."""
    async with stub_s3(None) as stub:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{stub.endpoint_url}/credentials")
        async with asyncio.timeout(5), opened(stub.endpoint_url, None, "b"):
            assert len(questions()) == 1
        assert questions() == []
        with patch.object(storage_module, "DEADLINE", 0.2):
            async with asyncio.timeout(2), opened(stub.endpoint_url, None, "b") as storage:
                with pytest.raises(StorageUnavailable):
                    await storage.credentials()
                with pytest.raises(StorageUnavailable):
                    await storage.head("a")
    assert set(stub.requests) == {"GET /credentials"}


def questions() -> list[str]:
    """Return the questions to the AWS chain that are under way."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith("CredentialSource.")]


PAGE = "<!DOCTYPE html>\n<html><body><p>Sign in<br></body></html>"
EVERY_CALL: dict[str, Call] = {
    "ready": lambda client: client.get("/readyz"),
    "list objects": listing,
    "head": head,
    "begin": beginning,
    "list uploads": lambda client: client.get("/v1/uploads"),
    "delete object": lambda client: client.delete("/v1/object", params={"key": "uploads/alice/a.txt"}),
}


@asynccontextmanager
async def in_place_of_s3(answer: bytes) -> AsyncIterator[httpx.AsyncClient]:
    """Run the service over a server that gives these bytes for an answer; without a body to a HEAD."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while request := await reader.readuntil(b"\r\n\r\n"):
                writer.write(
                    answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if request[:4] == b"HEAD" else answer
                )
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        settings = settings_for(
            replace(s3_that_is_down(), endpoint_url=f"http://{host}:{port}"), objects={"delete": True}
        )
        async with service_client(settings) as client:
            yield client


def web_answer(status: int, content_type: str, body: str) -> bytes:
    """Return an answer without any header of S3's."""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


@pytest.mark.parametrize("call", EVERY_CALL.values(), ids=EVERY_CALL)
@pytest.mark.parametrize(
    "answer",
    [
        web_answer(200, "text/html", PAGE),
        web_answer(404, "text/html; charset=utf-8", PAGE),
        web_answer(200, "text/html", ""),
        web_answer(200, "application/json", '{"status": "ok"}'),
        web_answer(200, "application/xml", "<EnumerationResults><Blobs/></EnumerationResults>"),
        web_answer(302, "text/html", PAGE),
    ],
    ids=["page", "404", "empty", "json", "other xml", "redirect"],
)
async def test_answers_that_are_not_from_s3_fail_every_call(call: Call, answer: bytes) -> None:
    """No deletion succeeds, no listing is empty and no object is missing."""
    async with in_place_of_s3(answer) as client:
        assert_problem(await call(client), "storage_misconfigured")


@pytest.mark.parametrize("call", EVERY_CALL.values(), ids=EVERY_CALL)
async def test_an_endless_answer_is_cut_off(call: Call) -> None:
    """With and without a declared length."""
    endless = b"HTTP/1.1 200 X\r\nContent-Type: application/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    async with in_place_of_s3(endless + chunk * (answers.MAX_BYTES // 0x100000 + 1)) as client:
        assert_problem(await call(client), "storage_misconfigured")
