"""What callers and operators see while S3 is at fault, through a real proxy; and that it passes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from botocore.retries.standard import ExponentialBackoff
from structlog.testing import capture_logs
from tests.support.api import assert_problem, created, s3_that_is_down
from tests.support.fault_proxy import (
    SLOW_DOWN,
    Answer,
    Cut,
    CutAnswer,
    Fault,
    FaultProxy,
    LoseAnswer,
    Silence,
    fault_proxy,
    s3_error,
)
from tests.support.scripted_s3 import FILM, POLICIES, parts, stored, unfinished
from tests.support.service import service_client, settings_for
from tests.support.stubs import Canned, stub_s3

from uploadsvc.s3 import errors
from uploadsvc.services import assembly

FAILED = b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
CALLS = (
    ("GET", "/v1/uploads", None),
    ("GET", "/v1/object?key=uploads/alice/film.mp4", None),
    ("POST", "/v1/uploads", FILM),
)
"""A listing, a head, and the creation of a multipart upload."""


async def in_order(request: str) -> Canned:
    """Answer as S3 does."""
    if request.startswith("HEAD"):
        return stored(None)
    if request.startswith("POST"):
        body = "<InitiateMultipartUploadResult><UploadId>U-1</UploadId></InitiateMultipartUploadResult>"
        return Canned(status=200, body=body)
    return unfinished() if "?uploads" in request else parts()


@asynccontextmanager
async def behind_proxy() -> AsyncIterator[tuple[httpx.AsyncClient, FaultProxy]]:
    """Run the service over S3 behind a proxy."""
    async with stub_s3(in_order) as stub, fault_proxy(stub.endpoint_url) as proxy:
        server = replace(s3_that_is_down(), endpoint_url=proxy.url)
        async with service_client(settings_for(server, policies=POLICIES)) as api:
            yield api, proxy


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    monkeypatch.setattr(errors, "DEADLINE", 1.0)
    monkeypatch.setattr(assembly, "DEADLINE", 1.0)


def call(api: httpx.AsyncClient, method: str, path: str, body: object) -> "asyncio.Task[httpx.Response]":
    return asyncio.create_task(api.request(method, path, json=body))


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(
    ("fault", "event"),
    [
        (Cut(), "s3_unreachable"),
        (LoseAnswer(), "s3_unreachable"),
        (CutAnswer(after=60), "s3_unreachable"),
        (Silence(until=asyncio.Event()), "s3_unreachable"),
        (s3_error(500, "InternalError", "We encountered an internal error."), "s3_refused"),
        (Answer(status=503), "s3_refused"),
        (SLOW_DOWN, "s3_refused"),
    ],
    ids=["reset", "lost", "half", "hangs", "500", "503", "slow-down"],
)
async def test_a_fault_of_s3_is_temporary_and_local(fault: Fault, event: str) -> None:
    """Callers are told to try again, the log names the call, and presigning goes on."""
    async with behind_proxy() as (api, proxy):
        proxy.rule = lambda _: fault
        for _ in range(2):
            with capture_logs() as logs:
                calls = [call(api, *one) for one in CALLS]
                created(await api.post("/v1/uploads", json={"size": 1}))
                for answer in await asyncio.gather(*calls):
                    assert_problem(answer, "storage_unavailable")
                    assert int(answer.headers["retry-after"]) > 0
            operations = {line["operation"] for line in logs if line["event"] == event}
            assert operations == {"list_multipart_uploads", "head_object", "create_multipart_upload"}
        proxy.rule = lambda _: None
        for one in CALLS:
            assert (await call(api, *one)).is_success


@pytest.mark.usefixtures("_impatient")
async def test_an_error_with_the_status_of_success_is_a_failure() -> None:
    """S3 may report one in the body."""
    async with behind_proxy() as (api, proxy):
        proxy.rule = lambda _: Answer(status=200, body=FAILED, headers={"x-amz-request-id": "R"})
        for one in (CALLS[0], CALLS[2]):
            assert_problem(await call(api, *one), "storage_unavailable")
        assert len(proxy.exchanges) == 6, "three tries each"


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("address", ["http://s3.invalid", "http://127.0.0.1:9"], ids=["dns", "refused"])
async def test_s3_cannot_be_reached(address: str) -> None:
    """Its name is gone, or nothing listens."""
    server = replace(s3_that_is_down(), endpoint_url=address)
    async with service_client(settings_for(server, policies=POLICIES)) as api:
        created(await api.post("/v1/uploads", json={"size": 1}))
        with capture_logs() as logs:
            for one in CALLS:
                assert_problem(await call(api, *one), "storage_unavailable")
        assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["s3_unreachable"] * 3


async def test_a_thousand_uploads_are_presigned_while_s3_is_slow() -> None:
    """None waits for the calls that do."""
    async with behind_proxy() as (api, proxy):
        go_on = asyncio.Event()
        proxy.rule = lambda _: Silence(until=go_on)
        calls = [call(api, *CALLS[number % len(CALLS)]) for number in range(30)]
        await proxy.until(lambda: len(proxy.exchanges) == len(calls))
        for _ in range(10):
            answers = await asyncio.gather(*(api.post("/v1/uploads", json={"size": 1}) for _ in range(100)))
            assert {answer.status_code for answer in answers} == {201}
        go_on.set()
        await asyncio.gather(*calls)
