"""Read a page of a listing in slices: botocore would hold the event loop while it decodes a thousand keys."""

import asyncio
from datetime import UTC
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from uploadsvc.domain.objects import ListedObject

if TYPE_CHECKING:
    from types_aiobotocore_s3.type_defs import ListObjectsV2OutputTypeDef

ENCODING: Final = "url"
"""Asks for percent-encoded keys, which XML can always hold. botocore decodes only what it asked for itself.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

_AT_ONCE: Final = 100
"""Objects to read before other requests get their turn: half a millisecond."""


async def listed_objects(answer: "ListObjectsV2OutputTypeDef", *, after: str) -> list[ListedObject]:
    """Return the objects of a page that was asked for in `ENCODING`.

    Args:
        answer: The answer of S3.
        after: Leave out keys up to this one, in the order of their bytes; empty to take all.
    """
    entries = answer.get("Contents", [])
    # Not every store encodes them. Those that do write a space as %20 or as a plus sign.
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
