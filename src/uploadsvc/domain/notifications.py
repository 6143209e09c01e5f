"""Parse notifications of stores about objects, from a queue or a webhook.

A notification is only a hint, because anyone who can write to the queue can forge one: look up the object in
the store. Notifications may be repeated, late or out of order.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from uploadsvc.domain.json_fields import Fields, WrongJSONError, read_object
from uploadsvc.domain.seaweedfs_events import read_change

Kind = Literal["created", "deleted", "tagged", "scanned"]
"""Kind of change to an object. Hiding it with a delete marker counts as deletion."""

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
_FAMILIES: Final[tuple[tuple[str, Kind], ...]] = (
    ("ObjectCreated:", "created"),
    ("ObjectRemoved:", "deleted"),
    ("LifecycleExpiration:", "deleted"),
    ("ObjectTagging:", "tagged"),
    # https://docs.ceph.com/en/latest/radosgw/s3-notification-compatibility/
    ("ObjectLifecycle:Expiration:", "deleted"),
    # https://min.io/docs/minio/linux/administration/monitoring/bucket-notifications.html
    ("LifecycleDelMarkerExpiration:", "deleted"),
)
# Events of MinIO, RustFS and Ceph in these families that neither create nor delete an object.
_EXCEPTIONS: Final[dict[str, Kind | None]] = {
    "ObjectCreated:PutTagging": "tagged",
    "ObjectCreated:DeleteTagging": "tagged",
    "ObjectCreated:PutRetention": None,
    "ObjectCreated:PutLegalHold": None,
    "ObjectCreated:CreateMultipartUpload": None,
    "ObjectRemoved:AbortMultipartUpload": None,
    "ObjectRemoved:NoOP": None,
    "ObjectLifecycle:Expiration:AbortMultipartUpload": None,
    "ObjectLifecycle:Expiration:DeleteMarker": None,
}
_EVENTBRIDGE: Final[dict[tuple[str, str], Kind]] = {
    ("aws.s3", "Object Created"): "created",
    ("aws.s3", "Object Deleted"): "deleted",
    ("aws.s3", "Object Tags Added"): "tagged",
    ("aws.s3", "Object Tags Deleted"): "tagged",
}
_SCAN: Final = ("aws.guardduty", "GuardDuty Malware Protection Object Scan Result")
_R2: Final[dict[str, Kind]] = {
    "PutObject": "created",
    "CopyObject": "created",
    "CompleteMultipartUpload": "created",
    "DeleteObject": "deleted",
    "LifecycleDeletion": "deleted",
}
_B2: Final[tuple[tuple[str, Kind], ...]] = (
    ("b2:ObjectCreated:", "created"),
    ("b2:ObjectDeleted:", "deleted"),
    ("b2:HideMarkerCreated:", "deleted"),
)

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class MalformedNotificationError(ValueError):
    """The message is not a notification. The error has the reason, without quoting the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A notification about one object.

    Attributes:
        kind: Kind of change.
        bucket: Bucket.
        key: Object key, decoded.
        version_id: Version, or that of the delete marker; ``None`` without versioning.
        etag: ETag without quotes.
        size: Bytes.
        sequencer: Orders the notifications of one key:
            https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
        time: Time of the change, in UTC.
        verdict: Result of the scan, only if the kind is ``scanned``. GuardDuty's ``scanResultStatus``:
            https://docs.aws.amazon.com/guardduty/latest/ug/monitoring-malware-protection-s3-scans-gdu.html
    """

    kind: Kind
    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None
    sequencer: str | None = None
    time: datetime | None = None
    verdict: str | None = None


def parse_notifications(body: bytes | str) -> list[Notification]:
    """Parse a message of a queue, or the body of a store's webhook.

    Supports records of S3, Ceph, MinIO and RustFS, EventBridge events of S3 and GuardDuty, any of these in an
    SNS message, and events of SeaweedFS, R2 and B2.

    The list is empty for test messages, and for events without a change, such as replication.

    Raises:
        MalformedNotificationError: The message is anything else.
    """
    try:
        message = read_object(body)
        if "Type" in message and "Message" in message:
            message = _in_sns(message)
        return list(_notifications(message))
    except WrongJSONError as error:
        # Without the cause: its traceback may contain the message.
        raise MalformedNotificationError(str(error)) from None


def _notifications(message: Fields) -> Iterator[Notification]:
    if "Records" in message:
        yield from _records(message)
    elif "detail-type" in message:
        yield from _eventbridge(message)
    elif "action" in message and "account" in message:
        yield from _r2(message)
    elif "events" in message:
        yield from _b2(message)
    elif "event_type" in message and "message" in message:
        yield from _seaweedfs(message)
    elif message.optional_text("Event") != "s3:TestEvent":
        reason = "must be a notification of S3, SNS, EventBridge, Ceph, MinIO, RustFS, SeaweedFS, R2 or B2"
        raise WrongJSONError(reason)


def _in_sns(envelope: Fields) -> Fields:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html."""
    if envelope.text("Type") != "Notification":
        # Left to the dead-letter queue, where the operator can find the URL to confirm the subscription.
        envelope.wrong("Type", "Notification; confirm the subscription of SNS first")
    return read_object(envelope.text("Message"))


def _records(message: Fields) -> Iterator[Notification]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html."""
    for record in message.children("Records"):
        kind = _kind(record.text("eventName"))
        if kind is None:
            continue
        bucket = record.child("s3").child("bucket")
        found = record.child("s3").child("object")
        # Ceph does not encode keys: https://docs.ceph.com/en/latest/radosgw/notifications/
        encoded = record.optional_text("eventSource") != "ceph:s3"
        yield Notification(
            kind=kind,
            bucket=bucket.text("name"),
            key=_decoded_key(found) if encoded else found.text("key"),
            version_id=_version_id(found, "versionId"),
            etag=_etag(found, "eTag"),
            size=_size(found, "size"),
            sequencer=found.optional_text("sequencer"),
            time=_time(record, "eventTime"),
        )


def _kind(name: str) -> Kind | None:
    # MinIO sends the prefix, S3 does not.
    name = name.removeprefix("s3:")
    if name in _EXCEPTIONS:
        return _EXCEPTIONS[name]
    return next((kind for family, kind in _FAMILIES if name.startswith(family)), None)


def _eventbridge(message: Fields) -> Iterator[Notification]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html; keys are not encoded."""
    # Only AWS can send events whose source starts with "aws.".
    event = message.text("source"), message.text("detail-type")
    if event == _SCAN:
        yield _scan(message)
    elif event in _EVENTBRIDGE:
        detail = message.child("detail")
        found = detail.child("object")
        yield Notification(
            kind=_EVENTBRIDGE[event],
            bucket=detail.child("bucket").text("name"),
            key=found.text("key"),
            version_id=_version_id(found, "version-id"),
            etag=_etag(found, "etag"),
            size=_size(found, "size"),
            sequencer=found.optional_text("sequencer"),
            time=_time(message, "time"),
        )


def _scan(message: Fields) -> Notification:
    """https://docs.aws.amazon.com/guardduty/latest/ug/monitor-with-eventbridge-s3-malware-protection.html."""
    detail = message.child("detail")
    found = detail.child("s3ObjectDetails")
    return Notification(
        kind="scanned",
        bucket=found.text("bucketName"),
        key=found.text("objectKey"),
        version_id=_version_id(found, "versionId"),
        etag=_etag(found, "eTag"),
        time=_time(message, "time"),
        verdict=detail.child("scanResultDetails").text("scanResultStatus"),
    )


def _r2(message: Fields) -> Iterator[Notification]:
    """https://developers.cloudflare.com/r2/buckets/event-notifications/; keys are not encoded."""
    kind = _R2.get(message.text("action"))
    if kind is not None:
        found = message.child("object")
        yield Notification(
            kind=kind,
            bucket=message.text("bucket"),
            key=found.text("key"),
            etag=_etag(found, "eTag"),
            size=_size(found, "size"),
            time=_time(message, "eventTime"),
        )


def _b2(message: Fields) -> Iterator[Notification]:
    """https://www.backblaze.com/docs/cloud-storage-event-notifications-reference-guide."""
    for event in message.children("events"):
        name = event.text("eventType")
        kind = next((kind for family, kind in _B2 if name.startswith(family)), None)
        if kind is None:
            continue
        milliseconds = event.optional_integer("eventTimestamp")
        try:
            time = None if milliseconds is None else _EPOCH + timedelta(milliseconds=milliseconds)
        except OverflowError:
            event.wrong("eventTimestamp", "milliseconds since 1970")
        yield Notification(
            kind=kind,
            bucket=event.text("bucketName"),
            key=event.text("objectName"),
            version_id=_version_id(event, "objectVersionId"),
            size=_size(event, "objectSize"),
            time=time,
        )


def _seaweedfs(message: Fields) -> Iterator[Notification]:
    change = read_change(message)
    if change is not None:
        yield Notification(
            kind=change.kind,
            bucket=change.bucket,
            key=change.key,
            version_id=change.version_id,
            etag=change.etag,
            size=change.size,
            time=change.time,
        )


def _decoded_key(found: Fields) -> str:
    """Decode a key as S3 encodes it: like a form, so ``+`` is a space and ``%2B`` a plus sign."""
    encoded = found.text("key")
    if _BAD_ESCAPE.search(encoded):
        found.wrong("key", "percent-encoded")
    try:
        return unquote_to_bytes(encoded.replace("+", " ")).decode()
    except UnicodeDecodeError:
        found.wrong("key", "percent-encoded UTF-8")


def _version_id(found: Fields, name: str) -> str | None:
    version_id = found.optional_text(name)
    # "null" is the version of objects from before versioning was enabled.
    return None if version_id == "null" else version_id


def _etag(found: Fields, name: str) -> str | None:
    etag = found.optional_text(name)
    return etag and (etag.strip('"') or None)


def _size(found: Fields, name: str) -> int | None:
    size = found.optional_integer(name)
    if size is not None and size < 0:
        found.wrong(name, "a number of bytes")
    return size


def _time(found: Fields, name: str) -> datetime | None:
    text = found.optional_text(name)
    time = text and _utc(text)
    if text and not time:
        found.wrong(name, "a time with a time zone, in ISO 8601")
    return time or None


def _utc(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None
