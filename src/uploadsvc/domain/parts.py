"""How a large file is cut into parts.

Limits: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MIB: Final = 1024**2
MAX_PARTS: Final = 10_000
MIN_PART_SIZE: Final = 5 * MIB
"""Of every part but the last, in bytes."""

MAX_PART_SIZE: Final = 5 * 1024 * MIB


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of equal size, but for the last, which may be smaller.

    Attributes:
        size: Of the whole file, in bytes.
        part_size: In bytes.
    """

    size: int
    part_size: int

    @property
    def count(self) -> int:
        """How many; an empty file is one empty part."""
        return max(1, -(-self.size // self.part_size))

    def size_of(self, part_number: int) -> int:
        """Return the bytes of a part, counted from 1."""
        return min(self.part_size, self.size - (part_number - 1) * self.part_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedPart:
    """A part that S3 has.

    Attributes:
        part_number: Counted from 1.
        size: In bytes.
        etag: Without quotes.
        checksum: Its own, in base64, where the upload has them.
    """

    part_number: int
    size: int
    etag: str
    checksum: str | None


def cut(size: int, *, least_part_size: int) -> Parts:
    """Cut a file: the part size doubles until no more than 10,000 parts are needed.

    Args:
        size: Of the file, in bytes; at most what `MAX_PARTS` of `MAX_PART_SIZE` hold.
        least_part_size: Where it starts, in bytes.
    """
    part_size = least_part_size
    while size > part_size * MAX_PARTS:
        part_size = min(2 * part_size, MAX_PART_SIZE)
    return Parts(size, part_size)


def common_part_size(sizes: Iterable[int], *, least_part_size: int) -> int | None:
    """Find one part size for several files: it doubles until they have 10,000 parts or fewer together.

    Args:
        sizes: Of the files, in bytes.
        least_part_size: Where it starts, in bytes.

    Returns:
        The part size in bytes, or ``None`` where they have more parts even of the largest.
    """
    files, part_size = list(sizes), least_part_size
    while sum(Parts(size, part_size).count for size in files) > MAX_PARTS:
        if part_size == MAX_PART_SIZE:
            return None
        part_size = min(2 * part_size, MAX_PART_SIZE)
    return part_size


def ranges(numbers: list[int], *, most: int = 10) -> str:
    """Write part numbers for people: ``1, 3-5, 9``; cut after so many ranges."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in found[:most]]
    return ", ".join(texts) + (", …" if len(found) > most else "")
