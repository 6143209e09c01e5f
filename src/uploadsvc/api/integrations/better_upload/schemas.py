"""Bodies of Better Upload's requests and responses, and their conversion to upload requests.

The client finds a file in the response by name, size and type, so these are returned as sent.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, Field, ModelWrapValidatorHandler, StrictInt, model_validator

from uploadsvc.domain.errors import ContentTypeNotAllowed, ValidationFailed, shown
from uploadsvc.domain.parts import MAX_PARTS, common_part_size
from uploadsvc.domain.plan import ClientTraits, UploadRequest
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.providers import MAX_SINGLE_PUT
from uploadsvc.services.create_upload import Grant
from uploadsvc.services.multipart import SignedPart

MAX_FILES: Final = 100
"""Files per request."""

_METADATA_HEADER: Final = "x-amz-meta-"


class OfferedFile(BaseModel):
    """A file, as described by the browser."""

    name: Annotated[str, Field(min_length=1)]
    size: Annotated[StrictInt, Field(ge=0, le=2**63 - 1)]
    type: str


class Offer(BaseModel):
    """Files to upload under one policy, which the client calls a route."""

    route: str
    files: Annotated[list[OfferedFile], Field(min_length=1)]
    metadata: object = None
    _count: int = 0

    @model_validator(mode="wrap")
    @classmethod
    def _leave_out_most(cls, data: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 - any JSON
        # Validating 40,000 files would block the event loop for a second.
        files = data.get("files") if isinstance(data, dict) else None
        if not isinstance(files, list):
            return validate(data)
        offer = validate({**data, "files": files[:MAX_FILES]})
        offer._count = len(files)  # noqa: SLF001 - its own class
        return offer

    @property
    def count(self) -> int:
        """Number of files in the request; `files` has only the first `MAX_FILES`."""
        return self._count or len(self.files)


class TooManyFilesError(Exception):
    """The request has too many files or parts; the message names the limit."""


def upload_requests(offer: Offer, planner: Planner) -> list[UploadRequest]:
    """Return one upload request for each file: all by PUT, or all multipart with one part size.

    The client expects one method and one part size for all files. All are multipart if one of them has to be.

    Raises:
        TooManyFilesError: There are more than `MAX_FILES` files, or more than `MAX_PARTS` parts altogether.
        ValidationFailed: Two files have the same name, size and type.
        ContentTypeNotAllowed: A file has no type, and the policy restricts types.
    """
    files, policy = offer.files, planner.policy
    if offer.count > MAX_FILES:
        message = f"These are {offer.count} files; ask for at most {MAX_FILES} at once."
        raise TooManyFilesError(message)
    _check_distinct(files)
    threshold = min(policy.multipart_threshold, MAX_SINGLE_PUT)
    multipart = "multipart" in planner.methods and (
        "put" not in planner.methods or any(file.size > threshold for file in files)
    )
    part_size = None
    if multipart:
        # A file above the policy's limit is refused later, with a problem of its own.
        sizes = [min(file.size, policy.max_size) for file in files]
        part_size = common_part_size(sizes, least_part_size=policy.part_size)
        if part_size is None:
            message = f"These files have over {MAX_PARTS} parts together; ask for fewer at once."
            raise TooManyFilesError(message)
    metadata = _text_metadata(offer.metadata)
    return [
        UploadRequest(
            filename=file.name,
            content_type=_content_type(file, planner),
            size=file.size,
            method="multipart" if multipart else "put",
            metadata=metadata,
            # The client requests URLs once, and may send the last file or part much later.
            expires_in=policy.max_expires_in if multipart or len(files) > 1 else None,
            client=ClientTraits(
                part_size=part_size, type_open=not file.type, type_as_sent=True, drop_metadata=True
            ),
        )
        for file in files
    ]


def _check_distinct(files: list[OfferedFile]) -> None:
    seen = set[tuple[str, int, str]]()
    for file in files:
        identity = (file.name, file.size, file.type)
        if identity in seen:
            # The client would send both to the URL of the first.
            detail = (
                f"{shown(file.name)}: Another file has this name, size and type too, and the client cannot"
                " tell them apart; upload one after the other."
            )
            raise ValidationFailed(detail, field="files")
        seen.add(identity)


def _content_type(file: OfferedFile, planner: Planner) -> str:
    # The client sends the empty type to S3, so the type cannot be guessed from the filename.
    if not file.type and not planner.policy.all_types:
        listed = ", ".join(sorted(planner.policy.content_types))
        detail = (
            f"{shown(file.name)}: The browser knows no type for this file; policy"
            f" {planner.policy.name!r} allows {listed}."
        )
        raise ContentTypeNotAllowed(detail, field="type")
    return file.type


def _text_metadata(offered: object) -> Mapping[str, str]:
    if not isinstance(offered, dict):
        return {}
    return {name: value for name, value in offered.items() if isinstance(value, str)}


def single_json(files: Sequence[OfferedFile], grants: Sequence[Grant]) -> dict[str, Any]:
    """Return the response for files that are each sent with one PUT."""
    entries = [
        {
            "signedUrl": grant.url,
            "file": _file(file, grant),
            "headers": {name: value for name, value in grant.plan.headers.items() if _client_lacks(name)},
        }
        for file, grant in zip(files, grants, strict=True)
    ]
    return {"files": entries, "metadata": _metadata(grants)}


def parts_json(parts: Sequence[SignedPart]) -> bytes:
    """Return parts of a file as JSON, without the list's brackets."""
    listed = [{"signedUrl": part.url, "partNumber": part.part_number, "size": part.size} for part in parts]
    return json.dumps(listed)[1:-1].encode()


def multipart_json(
    files: Sequence[OfferedFile],
    grants: Sequence[Grant],
    *,
    parts: Sequence[Sequence[bytes]],
    action_urls: Sequence[tuple[str, str]],
    part_size: int,
) -> Iterator[bytes]:
    """Yield the response for files that are sent in parts, in pieces.

    Args:
        files: Files of the request.
        grants: One upload for each file.
        parts: All signed parts of each file, as `parts_json` returns them.
        action_urls: URLs that complete and abort each upload.
        part_size: Size in bytes of every part but a file's last.
    """
    yield b'{"multipart": {"files": ['
    for number, (file, grant, signed, (complete, abort)) in enumerate(
        zip(files, grants, parts, action_urls, strict=True)
    ):
        entry = {
            "file": _file(file, grant),
            "uploadId": grant.id,
            "completeSignedUrl": complete,
            "abortSignedUrl": abort,
        }
        yield (b", " if number else b"") + json.dumps(entry)[:-1].encode() + b', "parts": ['
        for slice_number, some in enumerate(signed):
            yield (b", " if slice_number else b"") + some
        yield b"]}"
    metadata = json.dumps(_metadata(grants))
    yield f'], "partSize": {part_size}}}, "metadata": {metadata}}}'.encode()


def _file(file: OfferedFile, grant: Grant) -> dict[str, Any]:
    headers = grant.plan.headers
    info: dict[str, Any] = {
        "key": grant.plan.key,
        "metadata": {
            name.removeprefix(_METADATA_HEADER): value
            for name, value in headers.items()
            if name.startswith(_METADATA_HEADER)
        },
    }
    if "Cache-Control" in headers:
        info["cacheControl"] = headers["Cache-Control"]
    return {"name": file.name, "size": file.size, "type": file.type, "objectInfo": info}


def _client_lacks(name: str) -> bool:
    # The client and the browser set these themselves. Set twice, the values would be joined into one that was
    # not signed.
    return not name.startswith(_METADATA_HEADER) and name not in {
        "Content-Type",
        "Content-Length",
        "Cache-Control",
    }


def _metadata(grants: Sequence[Grant]) -> dict[str, Any]:
    """Return the upload ids by key, which the app needs to get receipts."""
    return {"ids": {grant.plan.key: grant.id for grant in grants}}
