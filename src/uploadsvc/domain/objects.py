"""Stored objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from uploadsvc.domain.checksums import Checksum


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedObject:
    """An object in a listing: key, size in bytes, ETag without quotes, time of storage (UTC)."""

    key: str
    size: int
    etag: str
    last_modified: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object from ``HeadObject``.

    Attributes:
        key: Whole key.
        bucket: Bucket.
        size: Size in bytes.
        content_type: Content type that S3 serves.
        content_encoding: Content encoding that S3 serves, if any.
        etag: ETag without quotes.
        version_id: Version, in a versioned bucket.
        checksums: Checksums of the object; empty if the store keeps none.
        last_modified: Time of storage (UTC).
        metadata: User metadata, decoded, without the service's own.
        upload: UUID of the upload that stored the object, if its metadata names one.
        claims: Signed claims of the upload that stored the object, if its metadata has any.
    """

    key: str
    bucket: str
    size: int
    content_type: str
    content_encoding: str | None = None
    etag: str
    version_id: str | None
    checksums: tuple[Checksum, ...]
    last_modified: datetime
    metadata: Mapping[str, str]
    upload: str | None
    claims: str | None = None
