"""From what the client offers to what our policies plan."""

from collections.abc import Mapping
from typing import Final

from uploadsvc.api.integrations.better_upload.schemas import Offer, OfferedFile
from uploadsvc.domain.errors import ContentTypeNotAllowed, ValidationFailed, shown
from uploadsvc.domain.parts import MAX_PARTS, common_part_size
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.providers import MAX_SINGLE_PUT

MAX_FILES: Final = 100
"""So many can be asked for at once."""


class TooManyFilesError(Exception):
    """More than one request may ask for; the message says how many that is."""


def upload_requests(offer: Offer, planner: Planner) -> list[UploadRequest]:
    """Return one request for each file: all by PUT, or all in parts of one size.

    The answer has one shape and one part size for all. They go in parts if one of them has to.

    Raises:
        TooManyFilesError: They are over `MAX_FILES`, or have over `MAX_PARTS` parts together.
        ValidationFailed: Two are alike in all that the client knows them by.
        ContentTypeNotAllowed: One has no type, and the policy restricts types.
    """
    files, policy = offer.files, planner.policy
    if len(files) > MAX_FILES:
        message = f"These are {len(files)} files; ask for at most {MAX_FILES} at once."
        raise TooManyFilesError(message)
    _refuse_twins(files)
    threshold = min(policy.multipart_threshold, MAX_SINGLE_PUT)
    in_parts = "multipart" in planner.methods and (
        "put" not in planner.methods or any(file.size > threshold for file in files)
    )
    part_size = None
    if in_parts:
        # A file that is too large for the policy is refused by itself, in its own words.
        sizes = [min(file.size, policy.max_size) for file in files]
        part_size = common_part_size(sizes, least_part_size=policy.part_size)
        if part_size is None:
            message = f"These files have over {MAX_PARTS} parts together; ask for fewer at once."
            raise TooManyFilesError(message)
    metadata = _metadata(offer.metadata)
    return [
        UploadRequest(
            filename=file.name,
            content_type=_content_type(file, planner),
            size=file.size,
            method="multipart" if in_parts else "put",
            metadata=metadata,
            drop_metadata=True,
            # The client asks once, and sends the last of them when it has sent the others.
            expires_in=policy.max_expires_in if in_parts or len(files) > 1 else None,
            part_size=part_size,
            type_open=not file.type,
            type_as_sent=True,
        )
        for file in files
    ]


def _refuse_twins(files: list[OfferedFile]) -> None:
    seen = set[tuple[str, int, str]]()
    for file in files:
        known_by = (file.name, file.size, file.type)
        if known_by in seen:
            # It would send both to the address of the first.
            detail = (
                f"{shown(file.name)}: Another file has this name, size and type too, and the client cannot"
                " tell them apart; upload one after the other."
            )
            raise ValidationFailed(detail, field="files")
        seen.add(known_by)


def _content_type(file: OfferedFile, planner: Planner) -> str:
    # The client sends an empty type too, so what the name stands for is not what will be sent.
    if not file.type and not planner.policy.all_types:
        listed = ", ".join(sorted(planner.policy.content_types))
        detail = (
            f"{shown(file.name)}: The browser knows no type for this file; policy"
            f" {planner.policy.name!r} allows {listed}."
        )
        raise ContentTypeNotAllowed(detail, field="type")
    return file.type


def _metadata(offered: object) -> Mapping[str, str]:
    """Keep texts; the rest is between the client and another kind of server."""
    if not isinstance(offered, dict):
        return {}
    return {name: value for name, value in offered.items() if isinstance(value, str)}
