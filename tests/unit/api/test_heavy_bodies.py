"""Bodies that would block the event loop for long are refused early."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from tests.support.api import assert_problem, s3_that_is_down
from tests.support.service import service_client, settings_for

from uploadsvc.api.integrations.better_upload.schemas import MAX_FILES, Offer
from uploadsvc.api.routing import MAX_SEPARATORS
from uploadsvc.api.v1.schemas import CompleteUpload, CreateUploads


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app whose S3 is down."""
    async with service_client(settings_for(s3_that_is_down())) as client:
        yield client


@pytest.mark.parametrize("excess", [0, 1])
async def test_a_body_has_at_most_so_many_values(api: httpx.AsyncClient, excess: int) -> None:
    """Whether it is sent in one piece or in several. A body that is parsed fails for another reason."""
    body = b'{"x":[' + b"0," * (MAX_SEPARATORS - 1 + excess) + b"0]}"

    async def pieces() -> AsyncIterator[bytes]:
        # The separators of the first 64 KiB are not counted.
        yield b" " * 65_536
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    headers = {"content-type": "application/json"}
    for content in (body, pieces()):
        answer = await api.post("/v1/uploads", content=content, headers=headers)
        assert_problem(answer, *(("body_too_large",) if excess else ("validation_error", "x")))


def errors_of(model: type[CompleteUpload | CreateUploads | Offer], body: dict[str, Any]) -> list[Any]:
    """Return pydantic's errors."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    return caught.value.errors()


def test_of_many_wrong_items_the_first_is_reported() -> None:
    """Reporting each would take longer than everything else."""
    wrong = {"part_number": 0, "etag": 1}
    assert len(errors_of(CompleteUpload, {"parts": [wrong] * 10_000})) <= 2
    assert len(errors_of(CreateUploads, {"uploads": [{"metadata": {"a": 1, "b": 2}}] * 100})) <= 2
    assert len(errors_of(CompleteUpload, {"parts": [{f"f{n}": 1 for n in range(10_000)}]})) == 1


def test_too_many_parts_are_counted_first() -> None:
    """They are refused before any is validated."""
    (error,) = errors_of(CompleteUpload, {"parts": [None] * 10_001})
    assert "10001 parts" in error["msg"]
    assert (
        len(CompleteUpload.model_validate({"parts": [{"part_number": 1, "etag": "e"}] * 10_000}).parts or ())
        == 10_000
    )


def test_of_too_many_files_the_rest_is_left_out() -> None:
    """They are refused for their number, which is not the caller's to set."""
    good, files = {"name": "a", "size": 1, "type": ""}, 40_000
    offer = Offer.model_validate({"route": "r", "files": [good] * MAX_FILES + [{}] * files, "_count": 1})
    assert len(offer.files) == MAX_FILES
    assert offer.count == MAX_FILES + files
    assert Offer(route="r", files=offer.files[:2]).count == 2
    assert json.loads(offer.model_dump_json()).keys() == {"route", "files", "metadata"}
