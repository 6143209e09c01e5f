"""A large body is sent in pieces, unchanged."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

import pytest
from starlette.types import Message

from uploadsvc.api.json_responses import PiecewiseJson
from uploadsvc.api.v1.object_schemas import ObjectPage
from uploadsvc.api.v1.schemas import UploadState
from uploadsvc.api.v1.serializers import object_page_json, state_json
from uploadsvc.domain.objects import ListedObject
from uploadsvc.domain.parts import UploadedPart
from uploadsvc.services.objects import Page
from uploadsvc.services.uploads import UploadStatus
from uploadsvc.tokens.signed_ids import listed_claims


async def test_other_requests_have_their_turn_between_the_pieces() -> None:
    """The pieces sent are of moderate size, however small or many those of the body are."""
    body, sent, turns = [b"[", *[b"1" * 999 + b","] * 1000, b"1]"], list[Message](), list[int]()

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    async def other() -> None:
        while True:
            turns.append(len(sent))
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await PiecewiseJson(body)({"type": "http"}, receive, send)
    beside.cancel()
    start, *pieces = sent
    whole = b"".join(piece["body"] for piece in pieces)
    assert whole == b"".join(body)
    assert dict(start["headers"])[b"content-length"] == str(len(whole)).encode()
    assert dict(start["headers"])[b"content-type"] == b"application/json"
    assert max(len(piece["body"]) for piece in pieces) < 70_000
    assert [piece["more_body"] for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    assert len(pieces) <= 16
    assert set(range(2, len(pieces) + 1)) <= set(turns)


@pytest.mark.parametrize("count", [0, 1, 100, 250])
@pytest.mark.parametrize("status", ["uploading", "aborted"])
def test_the_parts_of_a_status_are_written_in_pieces(
    count: int, status: Literal["uploading", "aborted"]
) -> None:
    """Together they are the JSON of the documented schema."""
    parts = [UploadedPart(part_number=n, size=n, etag=f'e"{n}é', checksum=None) for n in range(1, count + 1)]
    claims = listed_claims("bucket", "uploads/alice/]}", "upload", 1_800_000_000)
    pieces = list(state_json("id", UploadStatus(claims=claims, status=status, stored=None, parts=parts)))
    state = UploadState.model_validate_json(b"".join(pieces), strict=True)
    listed = [UploadedPart(checksum=None, **dict(part)) for part in state.parts or ()]
    assert listed == (parts if status == "uploading" else [])
    assert json.loads(b"".join(pieces))["upload_expires_at"] == "2027-01-15T08:00:00Z"
    assert (state.parts is None) is (status == "aborted")
    assert len(pieces) == (1 if not listed else 2 + -(-count // 100))


@pytest.mark.parametrize("count", [0, 1, 100, 250])
def test_a_page_of_objects_is_written_in_pieces(count: int) -> None:
    """Together they are the JSON of the documented schema."""
    time = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)
    objects = [ListedObject(key=f'k"{n}é\n', size=n, etag="e", last_modified=time) for n in range(count)]
    pieces = list(object_page_json(Page(objects=objects, cursor='c"' if count else None)))
    page = ObjectPage.model_validate_json(b"".join(pieces), strict=True)
    assert [ListedObject(**dict(one)) for one in page.objects] == objects
    assert page.cursor == ('c"' if count else None)
    assert b"".join(pieces) == page.model_dump_json().encode()
    assert len(pieces) == 2 + -(-count // 100)


async def test_other_requests_have_their_turn_while_the_pieces_are_made() -> None:
    made, turns = 0, list[int]()

    def pieces() -> Iterator[bytes]:
        nonlocal made
        for _ in range(100):
            made += 1000
            yield b"1" * 1000

    async def other() -> None:
        while True:
            turns.append(made)
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    response = await PiecewiseJson.of(pieces())
    beside.cancel()
    assert response.headers["content-length"] == "100000"
    assert turns == list(range(9_000, 100_000, 9_000))
