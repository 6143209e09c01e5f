"""Return values of calls. ``repr`` leaves out credentials and presigned URLs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from uploadsvc.client import answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """A checksum that S3 has verified.

    Attributes:
        algorithm: Such as ``sha256`` or ``crc32``.
        value: The checksum in base64.
    """

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """Properties of an object in S3.

    Attributes:
        key: Full key.
        size: Size in bytes.
        etag: ETag without quotes.
        content_type: Media type.
        bucket: Name of the bucket.
        version_id: Version, in a versioned bucket.
        checksum: Checksum, if S3 has one.
        last_modified: Time of storage.
        metadata: Metadata by name.
    """

    key: str
    size: int
    etag: str
    content_type: str = ""
    bucket: str = ""
    version_id: str | None = None
    checksum: Checksum | None = None
    last_modified: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "StoredObject":
        """Parse the object in a response.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: The response is malformed.
        """
        version, checksum = body.get("version_id"), body.get("checksum")
        return cls(
            key=answers.text(body["key"]),
            size=answers.number(body["size"]),
            etag=answers.text(body["etag"]),
            content_type=answers.text(body.get("content_type") or ""),
            bucket=answers.text(body.get("bucket") or ""),
            version_id=None if version is None else answers.text(version),
            checksum=None
            if checksum is None
            else Checksum(
                algorithm=answers.text(checksum["algorithm"]), value=answers.text(checksum["value"])
            ),
            last_modified=_time(body.get("last_modified")),
            metadata=answers.texts(body.get("metadata") or {}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A stored file.

    Attributes:
        object: Its properties in S3.
        receipt: Signed JWT with these properties, for a backend to verify.
        replaceable_until: Time until which its owner can replace the bytes; ``None`` if they cannot be
            replaced.
    """

    object: StoredObject
    receipt: str = field(repr=False)
    replaceable_until: datetime | None = None

    @property
    def key(self) -> str:
        """Full key of the object."""
        return self.object.key

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.object.size

    @property
    def etag(self) -> str:
        """ETag without quotes."""
        return self.object.etag

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "Stored":
        """Parse the stored file in a response.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: The response is malformed.
        """
        return cls(
            object=StoredObject.read(body["object"]),
            receipt=answers.text(body["receipt"]),
            replaceable_until=_time(body.get("replaceable_until")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadState:
    """State of an upload in S3.

    Attributes:
        id: Upload id.
        key: Key of the object.
        method: ``put``, ``post`` or ``multipart``.
        status: ``pending``, ``uploading``, ``stored`` or ``aborted``.
        part_size: Size of every part but the last, in bytes, if it has parts.
        part_count: Number of parts, if it has parts.
        parts: Size of each part that has arrived, by part number.
        object: The object, once stored.
    """

    id: str = field(repr=False)
    key: str
    method: str
    status: str
    part_size: int | None
    part_count: int | None
    parts: Mapping[int, int]
    object: StoredObject | None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "UploadState":
        """Parse the state in a response.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: The response is malformed.
        """
        found, size, count = body["object"], body["part_size"], body["part_count"]
        return cls(
            id=answers.path_segment(body["id"]),
            key=answers.text(body["key"]),
            method=answers.text(body["method"]),
            status=answers.text(body["status"]),
            part_size=None if size is None else answers.number(size),
            part_count=None if count is None else answers.number(count),
            parts={
                answers.number(part["part_number"]): answers.number(part["size"])
                for part in body["parts"] or ()
            },
            object=None if found is None else StoredObject.read(found),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedObject:
    """An object in a listing: key, size in bytes, ETag and time of storage."""

    key: str
    size: int
    etag: str
    last_modified: datetime

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "ListedObject":
        """Parse the object in a page.

        Raises:
            ValueError, KeyError, TypeError: The response is malformed.
        """
        return cls(
            key=answers.text(body["key"]),
            size=answers.number(body["size"]),
            etag=answers.text(body["etag"]),
            last_modified=datetime.fromisoformat(body["last_modified"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UserObject:
    """An object in a listing of all users, and its user."""

    user: str
    object: ListedObject

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "UserObject":
        """Return the object in a page.

        Raises:
            ValueError, KeyError, TypeError: It is none.
        """
        return cls(user=answers.text(body["user"]), object=ListedObject.read(body))


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An upload token for a browser or a device, and its expiry time."""

    token: str = field(repr=False)
    expires_at: datetime

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "Token":
        """Parse the token in a response.

        Raises:
            ValueError, KeyError, TypeError: The response is malformed.
        """
        return cls(token=answers.text(body["token"]), expires_at=datetime.fromisoformat(body["expires_at"]))


def _time(value: object) -> datetime | None:
    return None if value is None else datetime.fromisoformat(answers.text(value))
