"""The service reads the first bytes of the object that it asked about, and no others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import pytest
from tests.support.fakes import NOON
from tests.support.stubs import Canned, Stub, stub_s3

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.errors import StorageDenied, StorageMisconfigured, UploadsvcError
from uploadsvc.domain.objects import StoredObject
from uploadsvc.s3.storage import Storage
from uploadsvc.telemetry.metrics import Metrics

STORED: Final = StoredObject(
    key="uploads/ann/a.png",
    bucket="media",
    size=1_000_000,
    content_type="image/png",
    etag="e",
    version_id="v1",
    checksums=(),
    last_modified=NOON,
    metadata={},
    upload=None,
)
OWN: Final = (("ETag", '"e"'),)
WHOLE: Final = "0123456789" * 100_000


@asynccontextmanager
async def over(answer: Canned) -> AsyncIterator[tuple[Stub, Storage]]:
    """Open the storage over an S3 that gives one answer to everything."""
    async with stub_s3(answer) as stub:
        storage = Storage(
            bucket="media",
            region="us-east-1",
            endpoint_url=stub.endpoint_url,
            addressing_style="path",
            credentials=Credentials(access_key_id="AKIAEXAMPLE", secret_access_key="s" * 40),
            clock=lambda: NOON,
            metrics=Metrics(),
        )
        async with storage:
            yield stub, storage


async def test_one_range_of_one_version_is_asked_for() -> None:
    async with over(Canned(status=206, body="0123", headers=OWN)) as (stub, storage):
        assert await storage.read_head(STORED, 4) == b"0123"
    assert stub.requests == ["GET /media/uploads/ann/a.png?versionId=v1"]
    sent = stub.headers[0].lower()
    assert "range: bytes=0-3\r\n" in sent
    assert 'if-match: "e"\r\n' in sent


@pytest.mark.parametrize("headers", [OWN, (*OWN, ("Content-Type", "application/xml"))])
async def test_no_more_is_read_from_a_store_that_sends_all(headers: tuple[tuple[str, str], ...]) -> None:
    async with over(Canned(status=200, body=WHOLE, headers=headers)) as (_, storage):
        for _ in range(3):
            assert await storage.read_head(STORED, 4096) == WHOLE[:4096].encode()


@pytest.mark.parametrize(
    "answer",
    [
        Canned(status=412, code="PreconditionFailed"),
        Canned(status=404, code="NoSuchKey"),
        Canned(status=404, code="NoSuchVersion"),
        # The condition was ignored.
        Canned(status=206, body="0123", headers=(("ETag", '"other"'),)),
    ],
    ids=lambda answer: answer.code or "ignored",
)
async def test_nothing_is_read_of_an_object_that_was_replaced(answer: Canned) -> None:
    async with over(answer) as (_, storage):
        assert await storage.read_head(STORED, 4) is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Canned(status=403, code="AccessDenied"), StorageDenied),
        (Canned(status=200, body="<html>Sign in</html>", ours=False), StorageMisconfigured),
    ],
    ids=["denied", "a page"],
)
async def test_a_failure_is_not_taken_for_content(answer: Canned, error: type[UploadsvcError]) -> None:
    async with over(answer) as (_, storage):
        with pytest.raises(error):
            await storage.read_head(STORED, 4)


async def test_an_empty_object_is_not_asked_for() -> None:
    empty = replace(STORED, size=0)
    async with over(Canned(status=416, code="InvalidRange")) as (stub, storage):
        assert await storage.read_head(empty, 4) == b""
    assert stub.requests == []


async def test_tags_are_those_of_the_version() -> None:
    tags = "<Tag><Key>scan</Key><Value>clean</Value></Tag>"
    body = f"<Tagging><TagSet>{tags}</TagSet></Tagging>"
    async with over(Canned(status=200, body=body)) as (stub, storage):
        assert await storage.tags(STORED) == {"scan": "clean"}
    assert stub.requests == ["GET /media/uploads/ann/a.png?tagging&versionId=v1"]
    for code in ("NoSuchKey", "NoSuchTagSet"):
        async with over(Canned(status=404, code=code)) as (_, storage):
            assert await storage.tags(STORED) == {}
