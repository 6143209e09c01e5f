"""What S3 says of a stored object."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from uploadsvc.domain.checksums import Checksum


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedObject:
    """One line of a listing: key, size in bytes, ETag without quotes, and when it was stored (UTC)."""

    key: str
    size: int
    etag: str
    last_modified: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One object's facts, as S3's ``HeadObject`` gives them.

    Attributes:
        key: The whole key.
        bucket: Where it is.
        size: In bytes.
        content_type: As S3 will serve it.
        etag: Without quotes.
        version_id: In a versioned bucket.
        checksums: Of the whole object, by algorithm; empty where the store keeps none.
        last_modified: UTC.
        metadata: User metadata, decoded, without ours.
        upload: The upload (its ``upload_uuid``) that the object says it came from.
    """

    key: str
    bucket: str
    size: int
    content_type: str
    etag: str
    version_id: str | None
    checksums: tuple[Checksum, ...]
    last_modified: datetime
    metadata: Mapping[str, str]
    upload: str | None
