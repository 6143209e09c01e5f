"""What the service is asked for, and in which ways where one may not do."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from uploadsvc.client.api import Grant, Service
from uploadsvc.client.errors import UploadProblem
from uploadsvc.client.file import Algorithm, Source

_IN_PARTS_FIRST: Final = 64 * 1024**2
"""Above this size a SHA-256 is first tried in parts; where the policy begins with parts is not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for on the command line, for each file.

    Attributes:
        policy: Its name, if not the default.
        content_type: If not by the file's name.
        metadata: By name.
        relative_key: Below the user's prefix.
        overwrite: Whether an object may be replaced, if not as the policy says.
        checksum: To be compared by S3.
    """

    policy: str | None = None
    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    relative_key: str | None = None
    overwrite: bool | None = None
    checksum: Algorithm | None = None

    def fields(self) -> dict[str, Any]:
        """Return what the service is told of it, but for the checksum."""
        return {
            "policy": self.policy,
            "content_type": self.content_type,
            "metadata": dict(self.metadata) or None,
            "relative_key": self.relative_key,
            "overwrite": self.overwrite,
        }


async def begin(service: Service, wish: Wish, source: Source) -> Grant:
    """Begin an upload; with a checksum, by the first method that checks it.

    Raises:
        UploadProblem: The service refuses, or cannot be reached; or the file cannot be read.
    """
    refusal: UploadProblem | None = None
    async for ways in _ways(wish.checksum, source):
        request = {**wish.fields(), "filename": source.name, "size": source.size, **ways}
        try:
            return await service.create(request, source.size)
        except UploadProblem as problem:
            if problem.code != "method_not_available":
                raise
            refusal = refusal or problem
    assert refusal is not None  # noqa: S101 - there is at least one way
    raise refusal


async def _ways(checksum: Algorithm | None, source: Source) -> AsyncIterator[dict[str, Any]]:
    if checksum is None:
        yield {}
        return
    if checksum is Algorithm.CRC32:
        # That of the whole, whatever the method.
        yield {"checksum": {"algorithm": checksum, "value": await source.checksum(checksum, 0, source.size)}}
        return
    # A SHA-256 in parts is one over those of the parts, and the cut is not known yet: S3 checks each part.
    in_parts = {"method": "multipart", "checksum": {"algorithm": checksum, "value": None}}
    if source.size > _IN_PARTS_FIRST:
        yield in_parts
    value = await source.checksum(checksum, 0, source.size)
    for method in ("put", "post"):
        yield {"method": method, "checksum": {"algorithm": checksum, "value": value}}
    if source.size <= _IN_PARTS_FIRST:
        yield in_parts
