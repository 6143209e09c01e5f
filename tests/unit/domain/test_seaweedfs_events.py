"""SeaweedFS tells of files; only those that store objects become notifications."""

import base64
import json
from typing import Any

import pytest
from tests.support.notifications import (
    SEAWEEDFS_MARKER,
    SEAWEEDFS_PUT,
    SEAWEEDFS_VERSION,
    Message,
    changed,
    seaweedfs_delete,
    seaweedfs_update,
)

from uploadsvc.domain.notifications import MalformedNotificationError, Notification, parse_notifications

ENTRY = ("message", "new_entry")
VERSION = "6713be898b1d3d5840bdf74f3ed94ebe"
MARKER = "6713be892fd9013672c1b69a7d29eeac"


def parse(message: Message) -> list[Notification]:
    return parse_notifications(json.dumps(message))


def entry(*path: str | int, to: object) -> Message:
    """Return the message of an upload, with another value in its file."""
    return changed(SEAWEEDFS_PUT, *ENTRY, *path, to=to)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "path",
    [
        "/buckets/media",
        "/buckets/media/",
        "/buckets//a.txt",
        "/buckets/.system/owners/admin/media",
        "/buckets/media/.uploads/f864a886_d2d71916/0001_b6b955b7.part",
        "/etc/iam/identity.json",
        "/topics/.system/log/2026-11-28/10-20.1",
        "/other/media/a.txt",
        "backup/buckets/media/a.txt",
    ],
)
def test_other_files_are_ignored(path: str) -> None:
    for message in (SEAWEEDFS_PUT, seaweedfs_delete(SEAWEEDFS_PUT)):
        assert parse(changed(message, "key", to=path)) == []


def test_folders_and_renames_are_ignored() -> None:
    folder = entry("is_directory", to=True)
    assert parse(folder) == []
    assert parse(seaweedfs_update(folder, folder)) == []
    assert parse(seaweedfs_delete(folder)) == []
    assert parse(changed(seaweedfs_update(SEAWEEDFS_PUT, SEAWEEDFS_PUT), "event_type", to="rename")) == []


@pytest.mark.parametrize(
    "other",
    [
        entry("chunks", 0, "modified_ts_ns", to=1),
        entry("attributes", "mtime", to=1),
        entry("attributes", "mtime_ns", to=1),
        entry("attributes", "file_size", to=1),
        entry("content", to="aGVsbG8="),
    ],
    ids=["same bytes again", "time", "nanosecond", "size", "small"],
)
def test_another_content_is_a_new_object(other: Message) -> None:
    """Equal bytes also: whoever stored them expects an event."""
    assert parse(seaweedfs_update(other, SEAWEEDFS_PUT)) == parse(SEAWEEDFS_PUT)


def test_tags_that_change_leave_the_object() -> None:
    tagged = entry("extended", "X-Amz-Tagging-state", to=encoded("x"))
    for old, new in ((SEAWEEDFS_PUT, tagged), (tagged, SEAWEEDFS_PUT)):
        (found,) = parse(seaweedfs_update(old, new))
        assert (found.kind, found.key, found.etag) == (
            "tagged",
            "uploads/ann/a+b é%2B.txt",
            "5d41402abc4b2a76b9719d911017c592",
        )
    assert parse(seaweedfs_update(tagged, tagged)) == []


def test_a_note_of_a_newer_version_changes_nothing() -> None:
    noted = changed(
        SEAWEEDFS_VERSION, *ENTRY, "extended", "Seaweed-X-Amz-Noncurrent-Since-Ns", to=encoded("1")
    )
    assert parse(seaweedfs_update(SEAWEEDFS_VERSION, noted)) == []


def test_an_empty_object_has_no_chunks_and_no_size() -> None:
    empty = changed(entry("chunks", to=None), *ENTRY, "attributes", "file_size", to=None)
    assert parse(empty)[0].size == 0


@pytest.mark.parametrize(
    ("message", "kind", "version_id"),
    [
        (SEAWEEDFS_VERSION, "created", VERSION),
        (seaweedfs_delete(SEAWEEDFS_VERSION), "deleted", VERSION),
        (SEAWEEDFS_MARKER, "deleted", MARKER),
    ],
    ids=["version", "version deleted", "delete marker"],
)
def test_versions_are_files_of_their_own(message: Message, kind: str, version_id: str) -> None:
    (found,) = parse(message)
    assert (found.kind, found.key, found.version_id) == (kind, "uploads/ann/v.txt", version_id)


def test_a_delete_marker_without_versioning_has_no_version() -> None:
    """Versioning that is suspended makes one version, ``null``."""
    renamed = changed(SEAWEEDFS_MARKER, *ENTRY, "extended", "Seaweed-X-Amz-Version-Id", to=encoded("null"))
    (found,) = parse(changed(renamed, "key", to="/buckets/media/uploads/ann/v.txt.versions/v_null"))
    assert (found.kind, found.key, found.version_id) == ("deleted", "uploads/ann/v.txt", None)


def test_a_delete_marker_that_goes_deletes_nothing() -> None:
    assert parse(seaweedfs_delete(SEAWEEDFS_MARKER)) == []


def test_a_version_of_nothing_has_a_key() -> None:
    """A file at the top of the bucket that is named like a version."""
    named = changed(SEAWEEDFS_VERSION, "key", to=f"/buckets/media/.versions/v_{VERSION}")
    (found,) = parse(named)
    assert (found.key, found.version_id) == (f".versions/v_{VERSION}", None)


@pytest.mark.parametrize("version_id", [None, "null", "", VERSION])
def test_a_key_that_looks_like_a_version_is_a_key(version_id: str | None) -> None:
    """The version's id is in the file, not in its name."""
    key = "uploads/ann/a.versions/v_1"
    message = changed(
        entry("extended", "Seaweed-X-Amz-Version-Id", to=version_id and encoded(version_id)),
        "key",
        to=f"/buckets/media/{key}",
    )
    (found,) = parse(message)
    assert (found.key, found.version_id) == (key, None)


def test_a_deletion_tells_nothing_of_what_was_there() -> None:
    """As in S3: receivers would take it for the object that is there now."""
    (found,) = parse(seaweedfs_delete(SEAWEEDFS_PUT))
    assert found == Notification(kind="deleted", bucket="media", key="uploads/ann/a+b é%2B.txt")


@pytest.mark.parametrize(
    ("path", "sent", "reason"),
    [
        ((*ENTRY, "extended", "Seaweed-X-Amz-ETag"), "%", "must be the base64 of text"),
        ((*ENTRY, "extended", "Seaweed-X-Amz-ETag"), "é", "must be the base64 of text"),
        ((*ENTRY, "extended", "Seaweed-X-Amz-ETag"), "/w==", "must be the base64 of text"),
        ((*ENTRY, "attributes", "mtime"), 10**30, "must be seconds since 1970"),
        ((*ENTRY, "attributes", "file_size"), -1, "must be a number of bytes"),
        ((*ENTRY, "is_directory"), "yes", "must be true or false"),
        (ENTRY, None, "must be an object"),
        (("message",), {"old_entry": {}}, "must be an object"),
    ],
)
def test_what_seaweedfs_never_sends_is_malformed(path: tuple[str, ...], sent: Any, reason: str) -> None:  # noqa: ANN401 - any JSON
    with pytest.raises(MalformedNotificationError, match=reason):
        parse(changed(SEAWEEDFS_PUT, *path, to=sent))
