"""Build the body of CompleteMultipartUpload. botocore would block the event loop for 0.1 s."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from uploadsvc.domain.checksums import Algorithm
from uploadsvc.domain.parts import UploadedPart

if TYPE_CHECKING:
    from botocore.hooks import BaseEventHooks

_BODY: Final = "uploadsvc_body"
_AT_ONCE: Final = 1000


async def completion_body(parts: Sequence[UploadedPart], *, part_checksum: Algorithm | None) -> bytes:
    """Return the XML that lists the parts of an upload.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html

    Args:
        parts: All parts, in order.
        part_checksum: Checksum algorithm of the parts, if any.
    """
    pieces = ['<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">']
    for start in range(0, len(parts), _AT_ONCE):
        pieces += [_part(part, part_checksum) for part in parts[start : start + _AT_ONCE]]
        # Yield to other requests.
        await asyncio.sleep(0)
    return "".join([*pieces, "</CompleteMultipartUpload>"]).encode()


def _part(part: UploadedPart, part_checksum: Algorithm | None) -> str:
    checksum = ""
    if part_checksum is not None and part.checksum:
        name = f"Checksum{part_checksum.upper()}"
        checksum = f"<{name}>{escape(part.checksum)}</{name}>"
    etag = f"<ETag>&quot;{escape(part.etag)}&quot;</ETag>"
    return f"<Part><PartNumber>{part.part_number}</PartNumber>{etag}{checksum}</Part>"


def send_completion_bodies(events: "BaseEventHooks") -> None:
    """Make a client send the bytes passed to CompleteMultipartUpload as ``MultipartUpload``."""
    events.register("before-parameter-build.s3.CompleteMultipartUpload", _take_body)
    events.register("before-call.s3.CompleteMultipartUpload", _set_body)


def _take_body(*, params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    context[_BODY] = params.pop("MultipartUpload")


def _set_body(*, params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    params["body"] = context[_BODY]
