"""User metadata: names, and values made fit for an HTTP header."""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

MAX_METADATA_BYTES = 2048
"""All names and values together: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html"""

RESERVED = "uploadsvc-"
UPLOAD_MARK = "uploadsvc-upload"
"""Names the upload (its ``upload_uuid``) that an object came from, where the key alone does not tell."""

_SURROGATES = re.compile("[\ud800-\udfff]")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
# Every printable ASCII character but the space (headers are trimmed and folded), the percent sign itself, and
# the brace, since an S3 form would expand "${filename}".
_SAFE = "!\"#$&'()*+,-./:;<=>?@[\\]^_`|}~"


def is_metadata_name(name: str) -> bool:
    """Whether a policy may list this name: short, lower case, and not one of ours."""
    return bool(_NAME.fullmatch(name)) and not name.startswith(RESERVED)


def is_text(value: str) -> bool:
    """Whether a value can be encoded at all: JSON can spell lone surrogates, UTF-8 cannot."""
    return not _SURROGATES.search(value)


def encode(value: str) -> str:
    """Percent-encode a value to printable ASCII, so that any text survives a header."""
    return quote(value, safe=_SAFE)


def decode(value: str) -> str:
    """Undo `encode`; a value that others wrote differently is given as it is."""
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        return value


def encoded_size(metadata: Mapping[str, str]) -> int:
    """Return the bytes that S3 counts: names and encoded values."""
    return sum(len(name) + len(encode(value)) for name, value in metadata.items())
