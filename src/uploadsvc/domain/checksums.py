"""Checksums that a caller promises and S3 checks."""

import base64
import binascii
from dataclasses import dataclass
from typing import Final, Literal, get_args

Algorithm = Literal["sha256", "crc32", "crc32c", "crc64nvme"]
ALGORITHMS: Final = get_args(Algorithm)

_BYTES: Final[dict[str, int]] = {"sha256": 32, "crc32": 4, "crc32c": 4, "crc64nvme": 8}


@dataclass(frozen=True, slots=True)
class Checksum:
    """One checksum of a whole object.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html

    Args:
        algorithm: Which one.
        value: Its bytes (big-endian for the CRCs) in standard base64.

    Raises:
        ValueError: The value is not base64 of the algorithm's length.
    """

    algorithm: Algorithm
    value: str

    def __post_init__(self) -> None:
        expected = _BYTES[self.algorithm]
        try:
            length = len(base64.b64decode(self.value, validate=True))
        except (binascii.Error, ValueError):
            length = -1
        # Decoding alone lets non-canonical padding bits pass, which S3 compares as text.
        if length != expected or base64.b64encode(base64.b64decode(self.value)).decode() != self.value:
            message = f"must be the base64 of {expected} bytes"
            raise ValueError(message)

    @property
    def header(self) -> str:
        """The request header or form field that carries it."""
        return f"x-amz-checksum-{self.algorithm}"
