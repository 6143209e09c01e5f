"""Parse SeaweedFS's webhook, which reports changes to the files of objects.

https://github.com/seaweedfs/seaweedfs/wiki/Filer-Notification-Webhook. Keys are not encoded, and bytes are
base64. Messages are sent once, in any order, and lost if not delivered.
"""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from uploadsvc.domain.json_fields import Fields

_TAG: Final = "X-Amz-Tagging-"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change to an object, with the attributes of a notification."""

    kind: Literal["created", "deleted", "tagged"]
    bucket: str
    key: str
    version_id: str | None
    etag: str | None = None
    size: int | None = None
    time: datetime | None = None


def read_change(message: Fields) -> Change | None:
    """Return the change to an object; ``None`` if there is none.

    There is none if a folder, a part of a multipart upload or another internal file changed, or if a file was
    renamed, which S3 cannot do.

    Raises:
        WrongJSONError: A field has the wrong type.
    """
    event, path = message.text("event_type"), message.text("key")
    place = _place(path)
    if place is None or event not in {"create", "update", "delete"}:
        return None
    entries = message.child("message")
    entry = entries.child("old_entry" if event == "delete" else "new_entry")
    if entry.flag("is_directory"):
        return None
    if event == "update":
        return _updated(entries.child("old_entry"), entry, *place)
    if _extended(entry, "Seaweed-X-Amz-Delete-Marker") == "true":
        # Deleting a delete marker restores the object.
        return _change("deleted", entry, *place) if event == "create" else None
    return _created(entry, *place) if event == "create" else _change("deleted", entry, *place)


def _place(path: str) -> tuple[str, str] | None:
    root, buckets, bucket, key = (*path.split("/", 3), "", "", "")[:4]
    if root or buckets != "buckets" or bucket.startswith(".") or key.startswith(".uploads/"):
        return None
    return (bucket, key) if bucket and key else None


def _updated(old: Fields, new: Fields, bucket: str, key: str) -> Change | None:
    if _content(old) != _content(new):
        return _created(new, bucket, key)
    if _tags(old) != _tags(new):
        return _change("tagged", new, bucket, key)
    # For example, the older version refers to a newer one.
    return None


def _created(entry: Fields, bucket: str, key: str) -> Change:
    return _change("created", entry, bucket, key, time=_modified(entry))


def _change(
    kind: Literal["created", "deleted", "tagged"],
    entry: Fields,
    bucket: str,
    key: str,
    *,
    time: datetime | None = None,
) -> Change:
    version_id = _extended(entry, "Seaweed-X-Amz-Version-Id")
    # Versions are separate files, except the one from before versioning.
    file = f".versions/v_{version_id}"
    is_version = version_id is not None and key.endswith(file) and key != file
    return Change(
        kind=kind,
        bucket=bucket,
        key=key.removesuffix(file) if is_version else key,
        version_id=version_id if is_version and version_id != "null" else None,
        etag=None if kind == "deleted" else _extended(entry, "Seaweed-X-Amz-ETag"),
        size=None if kind == "deleted" else _size(entry),
        time=time,
    )


def _content(entry: Fields) -> tuple[object, ...]:
    """Return fields that differ between two consecutive files, even with equal bytes."""
    chunks = entry.children("chunks") if "chunks" in entry else ()
    written = [chunk.optional_integer("modified_ts_ns") for chunk in chunks]
    return written, entry.optional_text("content"), _modified(entry), _size(entry)


def _tags(entry: Fields) -> dict[str, object]:
    extended = entry.child("extended").values if "extended" in entry else {}
    return {name: value for name, value in extended.items() if name.startswith(_TAG)}


def _extended(entry: Fields, name: str) -> str | None:
    if "extended" not in entry:
        return None
    extended = entry.child("extended")
    encoded = extended.optional_text(name)
    try:
        return encoded and base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        extended.wrong(name, "the base64 of text")


def _size(entry: Fields) -> int:
    # Zeros are left out.
    attributes = entry.child("attributes")
    size = attributes.optional_integer("file_size") or 0
    if size < 0:
        attributes.wrong("file_size", "a number of bytes")
    return size


def _modified(entry: Fields) -> datetime:
    attributes = entry.child("attributes")
    seconds = attributes.optional_integer("mtime") or 0
    nanoseconds = attributes.optional_integer("mtime_ns") or 0
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)
    except OverflowError:
        attributes.wrong("mtime", "seconds since 1970")
