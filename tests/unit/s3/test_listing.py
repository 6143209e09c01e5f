"""A page of a listing is read in slices, and its keys are decoded if the store encoded them."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from uploadsvc.s3 import listing
from uploadsvc.s3.listing import listed_objects

MOST_AT_ONCE = 100


def page(*keys: str, **fields: str) -> Any:  # noqa: ANN401 - botocore's
    """Return an answer of S3 that lists keys."""
    time = datetime(2026, 11, 23, tzinfo=UTC)
    return {
        "Contents": [{"Key": key, "Size": 1, "ETag": '"e"', "LastModified": time} for key in keys],
        **fields,
    }


@pytest.mark.parametrize(
    ("fields", "key"),
    [({"EncodingType": "url"}, "a b c/é+"), ({}, "a%20b+c%2F%C3%A9%2B")],
    ids=["url", "none"],
)
async def test_keys_are_decoded_if_the_store_encoded_them(fields: dict[str, str], key: str) -> None:
    (found,) = await listed_objects(page("a%20b+c%2F%C3%A9%2B", **fields), after="")
    assert (found.key, found.size, found.etag) == (key, 1, "e")


async def test_keys_are_compared_decoded_and_in_the_order_of_their_bytes() -> None:
    # In UTF-16, the emoji would come before the other character.
    keys = ["a", "b%01", "%EF%BF%BD", "%F0%9F%98%80"]
    listed = await listed_objects(page(*keys, EncodingType="url"), after="b\x01")
    assert [found.key for found in listed] == ["\ufffd", "😀"]


async def test_other_requests_run_between_the_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = 0
    decoded: list[int] = []

    def recorded(key: str) -> str:
        decoded.append(passes)
        return key

    async def count_passes() -> None:
        nonlocal passes
        while True:
            passes += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(listing, "unquote_plus", recorded)
    other = asyncio.create_task(count_passes())
    listed = await listed_objects(page(*map(str, range(1000)), EncodingType="url"), after="")
    other.cancel()
    assert len(listed) == len(decoded) == 1000
    assert max(decoded.count(number) for number in set(decoded)) <= MOST_AT_ONCE
