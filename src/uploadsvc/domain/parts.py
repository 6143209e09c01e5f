"""Parts of a multipart upload: their sizes, and checks of the parts in S3.

Limits: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from uploadsvc.domain import errors
from uploadsvc.domain.checksums import Algorithm, Checksum, checksum_header

MIB: Final = 1024**2
MAX_PARTS: Final = 10_000
MIN_PART_SIZE: Final = 5 * MIB
"""Minimum size in bytes of every part but the last."""

MAX_PART_SIZE: Final = 5 * 1024 * MIB

_CODING: Final = re.compile(r"(?:--?|;)(?:gzip|x-gzip|br|zstd|deflate)$", re.IGNORECASE)
"""Suffixes that web servers append to the ETag of a compressed response."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A file in parts of equal size. Only the last part may be smaller.

    Attributes:
        size: Size of the file in bytes.
        part_size: Size of a part in bytes.
    """

    size: int
    part_size: int

    @property
    def count(self) -> int:
        """Number of parts. An empty file has one empty part."""
        return max(1, -(-self.size // self.part_size))

    def size_of(self, part_number: int) -> int:
        """Return the size of a part in bytes; part numbers start at 1."""
        return min(self.part_size, self.size - (part_number - 1) * self.part_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedPart:
    """A part that S3 has.

    Attributes:
        part_number: From 1.
        size: Size in bytes.
        etag: ETag without quotes.
        checksum: Checksum of the part in base64, if the upload uses one.
    """

    part_number: int
    size: int
    etag: str
    checksum: str | None


def cut(size: int, *, least_part_size: int) -> Parts:
    """Split a file into at most 10,000 parts, doubling the part size as often as needed.

    Args:
        size: Size of the file in bytes; at most `MAX_PARTS` times `MAX_PART_SIZE`.
        least_part_size: Part size to start with, in bytes.
    """
    part_size = least_part_size
    while size > part_size * MAX_PARTS:
        part_size = min(2 * part_size, MAX_PART_SIZE)
    return Parts(size, part_size)


def common_part_size(sizes: Iterable[int], *, least_part_size: int) -> int | None:
    """Find a part size with which several files have at most 10,000 parts in total.

    Args:
        sizes: Sizes of the files in bytes.
        least_part_size: Part size to start with, in bytes. It is doubled as often as needed.

    Returns:
        The part size in bytes, or ``None`` if even the largest gives too many parts.
    """
    files, part_size = list(sizes), least_part_size
    while sum(Parts(size, part_size).count for size in files) > MAX_PARTS:
        if part_size == MAX_PART_SIZE:
            return None
        part_size = min(2 * part_size, MAX_PART_SIZE)
    return part_size


def ranges(numbers: list[int], *, most: int = 10) -> str:
    """Format part numbers, such as ``1, 3-5, 9``, with at most ``most`` ranges."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in found[:most]]
    return ", ".join(texts) + (", …" if len(found) > most else "")


def part_headers(algorithm: Algorithm | None, number: int, value: str | None) -> dict[str, str]:
    """Return the headers that a part is signed with.

    Args:
        algorithm: Checksum algorithm of the upload's parts, if any.
        number: Part number, for the error.
        value: Checksum of the part, in base64.

    Raises:
        ValidationFailed: The checksum is missing, malformed or unexpected.
    """
    if algorithm is None:
        if value is not None:
            detail = "This upload was created without a checksum, so its parts have none either."
            raise errors.ValidationFailed(detail, field="checksums")
        return {}
    if value is None:
        detail = f"This upload was created with {algorithm}; give that of part {number}, in base64."
        raise errors.ValidationFailed(detail, field="checksums")
    try:
        plain = Checksum(algorithm, value).digest == value
    except ValueError as error:
        detail = f"The checksum {error}."
        raise errors.ValidationFailed(detail, field="checksums") from None
    if not plain:
        detail = "The checksum of a part has no number of parts."
        raise errors.ValidationFailed(detail, field="checksums")
    return {checksum_header(algorithm): value}


def same_etag(one: str, other: str) -> bool:
    """Return whether two ETags are equal.

    Proxies may have changed one: they weaken ETags (RFC 9110 section 8.8.3), append a compression, or change
    their case.
    """
    return one == other or _bare_etag(one) == _bare_etag(other)


def _bare_etag(etag: str) -> str:
    opaque = etag.strip()
    if opaque[:2] in {"W/", "w/"}:
        opaque = opaque[2:]
    return _CODING.sub("", opaque.strip('"')).lower()


def planned_parts(
    parts: Parts, arrived: Sequence[UploadedPart], etags: Mapping[int, str] | None
) -> list[UploadedPart]:
    """Return all parts of a file of known size, in order.

    Args:
        parts: The expected parts.
        arrived: The parts that S3 has.
        etags: ETags that the caller received, by part number; ``None`` to accept what S3 has.

    Raises:
        UploadIncomplete: Parts are missing, or differ from those that the caller names.
        ValidationFailed: The caller names a part that does not exist.
    """
    if unknown := [number for number in etags or () if number > parts.count]:
        detail = f"There is no part {unknown[0]}; the upload has 1 to {parts.count}."
        raise errors.ValidationFailed(detail, field="parts")
    by_number = {part.part_number: part for part in arrived}
    missing, found = [], []
    last, part_size, last_size = parts.count, parts.part_size, parts.size_of(parts.count)
    for number in range(1, last + 1):
        part = by_number.get(number)
        if part is None or part.size != (last_size if number == last else part_size):
            missing.append(number)
        else:
            found.append(part)
    if missing:
        detail = f"{len(missing)} of {last} parts have not arrived: {ranges(missing)}."
        raise errors.UploadIncomplete(detail, field="parts")
    if etags is not None:
        _check_same(found, etags)
    return found


def sent_parts(
    arrived: Sequence[UploadedPart], etags: Mapping[int, str] | None, *, min_size: int, max_size: int
) -> list[UploadedPart]:
    """Return the parts of an upload of unknown size: those that the caller names.

    Args:
        arrived: The parts that S3 has.
        etags: ETags that the caller received, by part number; ``None`` for all parts up to the last.
        min_size: Minimum size of the whole in bytes.
        max_size: Maximum size of the whole in bytes.

    Raises:
        UploadIncomplete: Parts are missing, or differ from those that the caller names.
        FileTooLarge: The total is too large; likewise `FileTooSmall`.
    """
    parts = sorted(arrived, key=lambda part: part.part_number)
    if not parts:
        detail = "No part has arrived."
        raise errors.UploadIncomplete(detail, field="parts")
    named = range(1, parts[-1].part_number + 1) if etags is None else etags
    found = {part.part_number: part.etag for part in parts}
    if missing := [number for number in named if number not in found]:
        detail = f"Parts have not arrived: {ranges(missing)}."
        raise errors.UploadIncomplete(detail, field="parts")
    if etags is not None:
        _check_same(parts, etags)
    check_total(sum(part.size for part in parts), min_size=min_size, max_size=max_size)
    return parts


def check_total(size: int, *, min_size: int, max_size: int) -> None:
    """Check the total size of parts before they are assembled.

    Raises:
        FileTooLarge: They are above ``max_size``.
        FileTooSmall: They are below ``min_size``.
    """
    if size > max_size:
        detail = f"The parts have {size} bytes; the policy allows {max_size}."
        raise errors.FileTooLarge(detail, field="parts")
    if size < min_size:
        detail = f"The parts have {size} bytes; the policy wants {min_size}."
        raise errors.FileTooSmall(detail, field="parts")


def _check_same(parts: Sequence[UploadedPart], etags: Mapping[int, str]) -> None:
    named = [etags.get(part.part_number, "") for part in parts]
    # Nearly all of 10,000 ETags are identical. Compare only the others leniently.
    unequal = [(part, etag) for part, etag in zip(parts, named, strict=True) if part.etag != etag]
    if different := [part.part_number for part, etag in unequal if not same_etag(etag, part.etag)]:
        detail = f"S3 has other parts than those that were named: {ranges(different)}."
        raise errors.UploadIncomplete(detail, field="parts")
