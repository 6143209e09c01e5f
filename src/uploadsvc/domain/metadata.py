"""User metadata: names, and values encoded for HTTP headers."""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

MAX_METADATA_BYTES = 2048
"""Maximum size of all names and values together:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
"""

RESERVED = "uploadsvc-"
UPLOAD_MARK = "uploadsvc-upload"
"""Metadata name for the UUID of the upload that stored an object, if the key does not contain it."""

UPLOAD_CLAIMS = "uploadsvc-claims"
"""Metadata name for the signed claims of the upload that stored an object."""

MAX_CLAIMS_BYTES = 768
"""Bytes reserved for `UPLOAD_CLAIMS` and its value."""

_SURROGATES = re.compile("[\ud800-\udfff]")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
# Every printable ASCII character but the space (headers are trimmed and folded), the percent sign itself, and
# the brace, since an S3 form would expand "${filename}".
_SAFE = "!\"#$&'()*+,-./:;<=>?@[\\]^_`|}~"


def is_metadata_name(name: str) -> bool:
    """Return whether a policy may use this name: short, lower case and not reserved."""
    return bool(_NAME.fullmatch(name)) and not name.startswith(RESERVED)


def is_text(value: str) -> bool:
    """Return whether a value can be encoded. JSON can contain lone surrogates, UTF-8 cannot."""
    return not _SURROGATES.search(value)


def encode(value: str) -> str:
    """Percent-encode a value to printable ASCII, so that any text survives a header."""
    return quote(value, safe=_SAFE)


def decode(value: str) -> str:
    """Reverse `encode`. Returns a value in another encoding unchanged."""
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        return value


def encoded_size(metadata: Mapping[str, str]) -> int:
    """Return the size by S3's rules: names and encoded values, in bytes."""
    return sum(len(name) + len(encode(value)) for name, value in metadata.items())
