"""What the client sends, and what it is answered. Names, sizes and types come back as they were sent.

The client finds a file's answer by these three.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, StrictInt

from uploadsvc.services.create_upload import Grant
from uploadsvc.services.multipart import SignedPart

_METADATA: Final = "x-amz-meta-"


class OfferedFile(BaseModel):
    """A file, as the browser knows it."""

    name: Annotated[str, Field(min_length=1)]
    size: Annotated[StrictInt, Field(ge=0, le=2**63 - 1)]
    type: str


class Offer(BaseModel):
    """Files to be uploaded by one policy, which the client calls a route."""

    route: str
    files: Annotated[list[OfferedFile], Field(min_length=1)]
    metadata: object = None


def single_answer(files: Sequence[OfferedFile], grants: Sequence[Grant]) -> dict[str, Any]:
    """Return the answer where each file goes by one PUT."""
    granted = [
        {
            "signedUrl": grant.url,
            "file": _file(file, grant),
            "headers": {name: value for name, value in grant.plan.headers.items() if _is_left(name)},
        }
        for file, grant in zip(files, grants, strict=True)
    ]
    return {"files": granted, "metadata": _metadata(grants)}


def part_answer(part: SignedPart) -> dict[str, Any]:
    """Return one part."""
    return {"signedUrl": part.url, "partNumber": part.part_number, "size": part.size}


def multipart_answer(
    files: Sequence[OfferedFile],
    grants: Sequence[Grant],
    *,
    parts: Sequence[Sequence[dict[str, Any]]],
    addresses: Sequence[tuple[str, str]],
    part_size: int,
) -> dict[str, Any]:
    """Return the answer where each file goes in parts.

    Args:
        files: What was asked for.
        grants: Theirs.
        parts: All parts of each.
        addresses: Where each is completed, and where it is given up.
        part_size: Of every part of every file but its last, in bytes.
    """
    granted = [
        {
            "file": _file(file, grant),
            "parts": signed,
            "uploadId": grant.id,
            "completeSignedUrl": complete,
            "abortSignedUrl": abort,
        }
        for file, grant, signed, (complete, abort) in zip(files, grants, parts, addresses, strict=True)
    ]
    return {"multipart": {"files": granted, "partSize": part_size}, "metadata": _metadata(grants)}


def _file(file: OfferedFile, grant: Grant) -> dict[str, Any]:
    headers = grant.plan.headers
    info: dict[str, Any] = {
        "key": grant.plan.key,
        "metadata": {
            name.removeprefix(_METADATA): value
            for name, value in headers.items()
            if name.startswith(_METADATA)
        },
    }
    if "Cache-Control" in headers:
        info["cacheControl"] = headers["Cache-Control"]
    return {"name": file.name, "size": file.size, "type": file.type, "objectInfo": info}


def _is_left(name: str) -> bool:
    # The client sends these by itself, and the browser the length; one given twice would be joined to one
    # value that was not signed.
    return not name.startswith(_METADATA) and name not in {"Content-Type", "Content-Length", "Cache-Control"}


def _metadata(grants: Sequence[Grant]) -> dict[str, Any]:
    """Return what the app is told besides: the ids by which it gets its receipts."""
    return {"ids": {grant.plan.key: grant.id for grant in grants}}
