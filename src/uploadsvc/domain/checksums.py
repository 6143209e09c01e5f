"""Checksums that a caller promises and S3 checks."""

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
    """One checksum of a whole object, or of one part.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html

    Args:
        algorithm: Which one.
        value: Its bytes (big-endian for the CRCs) in standard base64; as S3 gives a composite checksum,
            ``-`` and the number of parts follow.

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
        # Decoding alone lets non-canonical padding bits pass, which S3 compares as text.
        if length != expected or base64.b64encode(base64.b64decode(digest)).decode() != digest:
            message = f"must be the base64 of {expected} bytes"
            raise ValueError(message)

    @property
    def digest(self) -> str:
        """The checksum without the number of parts."""
        return _PARTS.sub("", self.value)

    @property
    def header(self) -> str:
        """The request header or form field that carries it."""
        return checksum_header(self.algorithm)


def checksum_header(algorithm: Algorithm) -> str:
    """Return the request header or form field that carries a checksum."""
    return f"x-amz-checksum-{algorithm}"


def is_composite(algorithm: Algorithm) -> bool:
    """Whether a multipart upload's checksum is one over the checksums of its parts.

    The CRCs of parts can be put together to that of the whole, SHA-256 cannot:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    return algorithm == "sha256"
