"""Checksums that callers promise and S3 verifies."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

Algorithm = Literal["sha256", "crc32", "crc32c", "crc64nvme"]
ALGORITHMS: Final = get_args(Algorithm)

_PARTS: Final = re.compile(r"-[1-9]\d{0,4}\Z")
_BYTES: Final[dict[str, int]] = {"sha256": 32, "crc32": 4, "crc32c": 4, "crc64nvme": 8}


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum of an object or a part.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html

    Args:
        algorithm: Checksum algorithm.
        value: Checksum (big-endian for CRCs) in standard base64. A composite one ends with ``-`` and the
            number of parts.

    Raises:
        ValueError: The value is not base64 of the algorithm's length.
    """

    algorithm: Algorithm
    value: str

    def __post_init__(self) -> None:
        expected, digest = _BYTES[self.algorithm], self.digest
        try:
            length = len(base64.b64decode(digest, validate=True))
        except (binascii.Error, ValueError):
            length = -1
        # S3 compares text, so padding bits must be canonical.
        if length != expected or base64.b64encode(base64.b64decode(digest)).decode() != digest:
            message = f"must be the base64 of {expected} bytes"
            raise ValueError(message)

    @property
    def digest(self) -> str:
        """Checksum without the number of parts."""
        return _PARTS.sub("", self.value)

    @property
    def header(self) -> str:
        """Request header or form field of the checksum."""
        return checksum_header(self.algorithm)


def checksum_header(algorithm: Algorithm) -> str:
    """Return the request header or form field of a checksum."""
    return f"x-amz-checksum-{algorithm}"


def is_composite(algorithm: Algorithm) -> bool:
    """Return whether the checksum of a multipart upload is computed over the checksums of its parts.

    CRCs of parts combine to the CRC of the object; SHA-256 does not:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    return algorithm == "sha256"
