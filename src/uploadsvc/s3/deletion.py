"""Delete many objects in one call: DeleteObjects."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from uploadsvc.domain.errors import StorageDenied, StorageUnavailable, UploadsvcError
from uploadsvc.s3.errors import MISSING, RefusedError

if TYPE_CHECKING:
    from botocore.hooks import BaseEventHooks

    from uploadsvc.s3.storage import Storage

_AT_ONCE: Final = 250
"""Keys of one call. S3 takes 1,000; with fewer, no step of it takes longer than a millisecond."""

_SINGLE: Final = 8
"""Objects that are deleted at the same time, one call each."""

_NOT_IN_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
"""https://www.w3.org/TR/xml/#charsets, and what XML 1.1 would not take either"""

_WHITESPACE: Final = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
"""A parser would read a line's end as one character, and the key of another object."""

_NOT_OFFERED: Final = frozenset(
    {
        *(
            "NotImplemented",
            "MethodNotAllowed",
            "InvalidArgument",
            "InvalidRequest",
            "MalformedXML",
            "BadDigest",
        ),
        # botocore's, for an answer without a body.
        *("400", "405", "501"),
    }
)
"""Codes of stores that do not know the call."""

_MAX_CODE: Final = 100
_BODY: Final = "uploadsvc_body"


async def delete_objects(storage: "Storage", keys: Iterable[str]) -> dict[str, UploadsvcError]:
    """Delete objects, if they exist; return why those that are not deleted are not, by key.

    Stores that lack DeleteObjects get one call for each key, and so do keys that XML cannot hold.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
    """
    listable: list[str] = []
    others: list[str] = []
    for key in dict.fromkeys(keys):
        (others if _NOT_IN_XML.search(key) else listable).append(key)
    failed: dict[str, UploadsvcError] = {}
    pending = iter(listable)
    while some := list(islice(pending, _AT_ONCE)):
        try:
            failed |= await _delete_together(storage, some)
        except RefusedError:
            others += [*some, *pending]
        except UploadsvcError as error:
            failed |= dict.fromkeys(some, error)
    return failed | await _delete_singly(storage, others)


async def _delete_together(storage: "Storage", keys: Sequence[str]) -> dict[str, UploadsvcError]:
    async with storage.call("delete_objects", expected=_NOT_OFFERED):
        # The body is ours, so that it is escaped, and made without botocore's validation of every key.
        answer = await storage.client.delete_objects(Bucket=storage.bucket, Delete=deletion_body(keys))  # type: ignore[arg-type] # see send_deletion_bodies
        refused = {entry["Key"]: str(entry.get("Code", ""))[:_MAX_CODE] for entry in answer.get("Errors", ())}
    return {key: _error(code) for key, code in refused.items() if code not in MISSING}


async def _delete_singly(storage: "Storage", keys: Sequence[str]) -> dict[str, UploadsvcError]:
    places = asyncio.Semaphore(_SINGLE)
    failed: dict[str, UploadsvcError] = {}

    async def delete(key: str) -> None:
        async with places:
            try:
                await storage.delete(key)
            except UploadsvcError as error:
                failed[key] = error

    await asyncio.gather(*map(delete, keys))
    return failed


def _error(code: str) -> UploadsvcError:
    if code == "AccessDenied":
        return StorageDenied(f"The object store refuses the service's credentials ({code}).")
    return StorageUnavailable(f"The object store could not delete the object ({code}); try again.")


def deletion_body(keys: Iterable[str]) -> bytes:
    """Return the XML that lists keys. None of them may hold a character that XML cannot."""
    listed = "".join(f"<Object><Key>{escape(key, _WHITESPACE)}</Key></Object>" for key in keys)
    return f'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{listed}<Quiet>true</Quiet></Delete>'.encode()


def send_deletion_bodies(events: "BaseEventHooks") -> None:
    """Let a client send the bytes that DeleteObjects gets as ``Delete``."""
    events.register("before-parameter-build.s3.DeleteObjects", _take_body)
    events.register("before-call.s3.DeleteObjects", _set_body)


def _take_body(*, params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    # botocore checks that there is one.
    context[_BODY], params["Delete"] = params["Delete"], {"Objects": [{"Key": "-"}]}


def _set_body(*, params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    body = params["body"] = context[_BODY]
    # botocore adds a CRC-32, which stores without the newer checksums do not take in place of this.
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = base64.b64encode(digest).decode()
