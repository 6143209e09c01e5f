"""Read a page of a listing in slices. botocore would block the event loop while decoding a thousand keys."""

import asyncio
from datetime import UTC
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from uploadsvc.domain.objects import ListedObject

if TYPE_CHECKING:
    from types_aiobotocore_s3.type_defs import ListObjectsV2OutputTypeDef

ENCODING: Final = "url"
"""Requests percent-encoded keys, which XML can always contain. botocore decodes them only if it has set this
itself. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

_AT_ONCE: Final = 25
"""Objects to read between two yields to the event loop: about 0.1 ms."""


async def listed_objects(answer: "ListObjectsV2OutputTypeDef", *, after: str) -> list[ListedObject]:
    """Return the objects of a page requested with `ENCODING`.

    Args:
        answer: S3's response.
        after: Skip keys up to this one, in byte order; empty for none.
    """
    entries = answer.get("Contents", [])
    # Not every store encodes keys. Those that do write a space as %20 or as a plus sign.
    encoded = answer.get("EncodingType") == ENCODING
    least = after.encode()
    listed: list[ListedObject] = []
    for start in range(0, len(entries), _AT_ONCE):
        if start:
            await asyncio.sleep(0)
        for entry in entries[start : start + _AT_ONCE]:
            key = unquote_plus(entry["Key"]) if encoded else entry["Key"]
            if least and key.encode() <= least:
                continue
            listed.append(
                ListedObject(
                    key=key,
                    size=entry["Size"],
                    etag=entry["ETag"].strip('"'),
                    last_modified=entry["LastModified"].astimezone(UTC),
                )
            )
    return listed
