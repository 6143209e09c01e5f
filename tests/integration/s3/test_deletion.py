"""DeleteObjects: what is sent, and what stores answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from botocore.retries.standard import ExponentialBackoff
from tests.support.stubs import Canned, Script, Stub, stub_s3

from uploadsvc.bootstrap.services import utc_now
from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.errors import StorageDenied, StorageUnavailable
from uploadsvc.s3.deletion import delete_objects
from uploadsvc.s3.storage import Storage
from uploadsvc.telemetry.metrics import Metrics

KEYS = ["uploads/ann/a", "uploads/ann/b", "uploads/ann/\x01"]


@asynccontextmanager
async def storage_over(answer: Canned | Script) -> AsyncIterator[tuple[Storage, Stub]]:
    """Open a storage over a stub."""
    async with stub_s3(answer) as stub:
        storage = Storage(
            bucket="bucket",
            region="us-east-1",
            endpoint_url=stub.endpoint_url,
            addressing_style="path",
            credentials=Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="wJalrEXAMPLEKEY"),
            clock=utc_now,
            metrics=Metrics(),
        )
        async with storage:
            yield storage, stub


def together(answer: Canned) -> Script:
    """Answer DeleteObjects like this, and single deletes with success."""

    async def script(request: str) -> Canned:
        return answer if request.startswith("POST") else Canned(status=204)

    return script


async def test_one_call_for_all_that_xml_can_hold() -> None:
    """With the checksum that older stores ask for."""
    ok = Canned(status=200, body="<DeleteResult></DeleteResult>")
    async with storage_over(together(ok)) as (storage, stub):
        assert await delete_objects(storage, KEYS) == {}
    assert [one.partition("?")[0] for one in stub.requests] == [
        "POST /bucket",
        "DELETE /bucket/uploads/ann/%01",
    ]
    assert "content-md5: " in stub.headers[0].lower()


async def test_each_key_has_its_own_error() -> None:
    errors = "".join(
        f"<Error><Key>{key}</Key><Code>{code}</Code><Message>No.</Message></Error>"
        for key, code in (("a", "AccessDenied"), ("b", "InternalError"), ("c", "NoSuchKey"))
    )
    answer = Canned(status=200, body=f"<DeleteResult>{errors}</DeleteResult>")
    async with storage_over(together(answer)) as (storage, _):
        failed = await delete_objects(storage, ["a", "b", "c", "d"])
    assert {key: type(error) for key, error in failed.items()} == {
        "a": StorageDenied,
        "b": StorageUnavailable,
    }


@pytest.mark.parametrize(
    "answer",
    [
        Canned(status=501, code="NotImplemented"),
        Canned(status=400, code="MalformedXML"),
        Canned(status=405),
    ],
)
async def test_stores_without_the_call_get_one_for_each_key(answer: Canned) -> None:
    keys = [f"k{number}" for number in range(300)]
    async with storage_over(together(answer)) as (storage, stub):
        assert await delete_objects(storage, keys) == {}
    assert sorted(one for one in stub.requests if one.startswith("DELETE")) == sorted(
        f"DELETE /bucket/{key}" for key in keys
    )
    assert sum(one.startswith("POST") for one in stub.requests) == 1


async def test_a_failed_call_is_the_error_of_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of other calls are deleted."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    calls = 0

    async def script(_request: str) -> Canned:
        nonlocal calls
        calls += 1
        good = Canned(status=200, body="<DeleteResult></DeleteResult>")
        return good if calls == 1 else Canned(status=403, code="AccessDenied")

    keys = [f"k{number}" for number in range(400)]
    async with storage_over(script) as (storage, _):
        failed = await delete_objects(storage, keys)
    assert list(failed) == keys[250:]
    assert {type(error) for error in failed.values()} == {StorageDenied}
