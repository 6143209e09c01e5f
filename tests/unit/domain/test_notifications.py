"""Notifications of all stores are parsed to the same form, and other messages are rejected."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.notifications import (
    ALL,
    B2_UPLOAD,
    CEPH_PUT,
    EVENTBRIDGE_CREATED,
    GUARDDUTY_SCAN,
    MINIO_PUT,
    R2_PUT,
    S3_PUT,
    S3_TEST,
    Message,
    changed,
    places,
    sns,
)

from uploadsvc.domain.json_fields import MAX_BYTES
from uploadsvc.domain.notifications import MalformedNotificationError, Notification, parse_notifications

TIME = datetime(2026, 11, 28, 10, 20, 30, tzinfo=UTC)
MILLISECONDS = TIME.replace(microsecond=405_000)

OF_S3 = Notification(
    kind="created",
    bucket="media",
    key="uploads/ann/red flower+é%.jpg",
    version_id="096fKKXTRTtl3on89fVO.nfljtsv6qko",
    etag="d41d8cd98f00b204e9800998ecf8427e",
    size=1024,
    sequencer="0055AED6DCD90281E5",
    time=MILLISECONDS,
)
OF_EVENTBRIDGE = Notification(
    kind="created",
    bucket="media",
    key="uploads/ann/red+flower%2Bé.jpg",
    version_id="IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
    etag="b1946ac92492d2347c6235b4d2611184",
    size=5,
    sequencer="617f08299329d189",
    time=TIME,
)
OF_SEAWEEDFS = Notification(
    kind="created",
    bucket="media",
    key="uploads/ann/a+b é%2B.txt",
    etag="5d41402abc4b2a76b9719d911017c592",
    size=5,
    time=MILLISECONDS,
)
EXPECTED = {
    "s3": OF_S3,
    "s3 in sns": OF_S3,
    "eventbridge": OF_EVENTBRIDGE,
    "eventbridge in sns": OF_EVENTBRIDGE,
    "guardduty": Notification(
        kind="scanned",
        bucket="media",
        key="uploads/ann/a+b.jpg",
        version_id="d41d8cd98f00b204e9800998eEXAMPLE",
        etag="ASIAI44QH8DHBEXAMPLE",
        time=TIME,
        verdict="NO_THREATS_FOUND",
    ),
    "ceph": Notification(
        kind="created",
        bucket="media",
        key="uploads/ann/a+b 100%.jpg",
        etag="37b51d194a7513e45b56f6524f2d51f2",
        size=1024,
        sequencer="F7E6D75DC742D108",
        time=TIME.replace(microsecond=124_724),
    ),
    "minio": Notification(
        kind="created",
        bucket="media",
        key="uploads/ann/a b+c.jpg",
        etag="d65f4ea1b4d4fd83ae7f3cbcbbb3d6c5",
        size=1024,
        sequencer="15C32494B4D9F4C6",
        time=MILLISECONDS,
    ),
    "rustfs": Notification(
        kind="created",
        bucket="media",
        key="uploads/ann/a b.jpg",
        etag="d65f4ea1b4d4fd83ae7f3cbcbbb3d6c5-2",
        size=1024,
        sequencer="187C3249451E1278",
        time=TIME.replace(microsecond=405_123),
    ),
    "r2": Notification(
        kind="created",
        bucket="media",
        key="uploads/ann/a+b%2B.jpg",
        etag="c846ff7a18f28c2e262116d6e8719ef0",
        size=65536,
        time=MILLISECONDS,
    ),
    "b2": Notification(
        kind="created",
        bucket="media",
        key="uploads/ann/a+b%2B.jpg",
        version_id="4_zaea8c5bc362ae55070130333_f115af4a4",
        size=1024,
        time=MILLISECONDS,
    ),
    "seaweedfs": OF_SEAWEEDFS,
    "seaweedfs, replaced": OF_SEAWEEDFS,
}

RECORD = ("Records", 0)
OBJECT = ("Records", 0, "s3", "object")


def parse(message: object) -> list[Notification]:
    return parse_notifications(json.dumps(message))


def kinds(message: Message) -> list[str]:
    return [one.kind for one in parse(message)]


@pytest.mark.parametrize("name", ALL)
def test_every_format_says_the_same(name: str) -> None:
    assert parse(ALL[name]) == [EXPECTED[name]]
    assert parse_notifications(json.dumps(ALL[name], ensure_ascii=False).encode()) == [EXPECTED[name]]


@pytest.mark.parametrize("message", [S3_TEST, sns(S3_TEST), {"Records": []}, {"events": []}])
def test_a_test_message_has_no_notifications(message: Message) -> None:
    assert parse(message) == []


def test_a_message_can_hold_several() -> None:
    """Those that change no object are left out."""
    names = ["ObjectCreated:Copy", "ObjectRestore:Post", "ObjectRemoved:Delete"]
    records = [changed(S3_PUT["Records"][0], "eventName", to=name) for name in names]
    assert kinds({"Records": records}) == ["created", "deleted"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((f"ObjectCreated:{how}", "created") for how in ("Put", "Post", "Copy", "CompleteMultipartUpload")),
        *((f"ObjectRemoved:{how}", "deleted") for how in ("Delete", "DeleteMarkerCreated")),
        *((f"LifecycleExpiration:{how}", "deleted") for how in ("Delete", "DeleteMarkerCreated")),
        *((f"ObjectTagging:{how}", "tagged") for how in ("Put", "Delete")),
        # MinIO and RustFS
        ("ObjectCreated:PutTagging", "tagged"),
        ("ObjectCreated:DeleteTagging", "tagged"),
        ("ObjectCreated:PutRetention", None),
        ("ObjectCreated:PutLegalHold", None),
        ("ObjectCreated:CreateMultipartUpload", None),
        ("ObjectRemoved:DeleteAllVersions", "deleted"),
        ("ObjectRemoved:NoOP", None),
        ("ObjectRemoved:AbortMultipartUpload", None),
        ("LifecycleDelMarkerExpiration:Delete", "deleted"),
        ("ObjectAccessed:Get", None),
        # Ceph
        ("ObjectLifecycle:Expiration:Current", "deleted"),
        ("ObjectLifecycle:Expiration:NonCurrent", "deleted"),
        ("ObjectLifecycle:Expiration:DeleteMarker", None),
        ("ObjectLifecycle:Expiration:AbortMultipartUpload", None),
        ("ObjectLifecycle:Transition:Current", None),
        ("ObjectSynced:Create", None),
        # What changes no object
        ("ObjectRestore:Completed", None),
        ("ObjectAcl:Put", None),
        ("Replication:OperationReplicatedAfterThreshold", None),
        ("LifecycleTransition", None),
        ("IntelligentTiering", None),
        ("ReducedRedundancyLostObject", None),
        ("ObjectCreated", None),
        ("SomethingNew:Put", None),
    ],
)
@pytest.mark.parametrize("prefix", ["", "s3:"])
def test_an_event_name_says_what_happened(prefix: str, name: str, kind: str | None) -> None:
    assert kinds(changed(S3_PUT, *RECORD, "eventName", to=prefix + name)) == ([kind] if kind else [])


@pytest.mark.parametrize(
    ("message", "path", "kind_of"),
    [
        (
            EVENTBRIDGE_CREATED,
            ("detail-type",),
            {
                "Object Deleted": "deleted",
                "Object Tags Added": "tagged",
                "Object Tags Deleted": "tagged",
                "Object ACL Updated": None,
                "Object Restore Completed": None,
                "GuardDuty Malware Protection Object Scan Result": None,
            },
        ),
        # Any program can send an event with a source of its own, and AWS alone with these.
        (EVENTBRIDGE_CREATED, ("source",), {"com.example.app": None, "aws.guardduty": None}),
        (GUARDDUTY_SCAN, ("source",), {"com.example.app": None, "aws.s3": None}),
        (
            R2_PUT,
            ("action",),
            {
                "PutObject": "created",
                "CompleteMultipartUpload": "created",
                "DeleteObject": "deleted",
                "LifecycleDeletion": "deleted",
                "AbortMultipartUpload": None,
            },
        ),
        (
            B2_UPLOAD,
            ("events", 0, "eventType"),
            {
                "b2:ObjectCreated:MultipartUpload": "created",
                "b2:ObjectDeleted:LifecycleRule": "deleted",
                "b2:HideMarkerCreated:Hide": "deleted",
                "b2:MultipartUploadCreated:LiveRead": None,
                "b2:TestEvent": None,
            },
        ),
    ],
)
def test_other_formats_have_other_names(
    message: Message, path: tuple[str | int, ...], kind_of: dict[str, str | None]
) -> None:
    for name, kind in kind_of.items():
        assert kinds(changed(message, *path, to=name)) == ([kind] if kind else []), name


def test_what_is_skipped_needs_no_other_field() -> None:
    """Later versions may add events of another shape."""
    assert parse({"Records": [{"eventName": "SomethingNew"}]}) == []
    assert parse({"detail-type": "Something New", "source": "aws.s3"}) == []
    assert parse({"account": "1", "action": "SomethingNew"}) == []
    assert parse({"events": [{"eventType": "b2:SomethingNew"}]}) == []


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_key_survives_its_encoding(key: str) -> None:
    """S3 leaves ``/`` as it is, MinIO encodes it, and Ceph encodes nothing."""
    for safe in ("/", ""):
        message = changed(S3_PUT, *OBJECT, "key", to=quote_plus(key, safe=safe))
        assert parse(message)[0].key == key
    assert parse(changed(CEPH_PUT, *OBJECT, "key", to=key))[0].key == key
    assert parse(changed(EVENTBRIDGE_CREATED, "detail", "object", "key", to=key))[0].key == key


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("a+b", "a b"),
        ("a%20b", "a b"),
        ("a%2Bb", "a+b"),
        ("a%2bb", "a+b"),
        ("a%252Bb", "a%2Bb"),
        ("%C3%A9é%F0%9F%98%80", "éé😀"),
        ("a%00b", "a\0b"),
    ],
)
def test_a_key_is_decoded_once(encoded: str, key: str) -> None:
    assert parse(changed(MINIO_PUT, *OBJECT, "key", to=encoded))[0].key == key


@pytest.mark.parametrize("encoded", ["%FF", "%ED%A0%80", "a%", "a%4", "100%zz", "\ud800", "", None, 1])
def test_a_key_in_another_encoding_is_malformed(encoded: object) -> None:
    with pytest.raises(MalformedNotificationError, match=r"^Records\[0\]\.s3\.object\.key must be "):
        parse(changed(S3_PUT, *OBJECT, "key", to=encoded))


@pytest.mark.parametrize(
    ("field", "sent", "attribute", "expected"),
    [
        *(("versionId", sent, "version_id", None) for sent in ("null", "", None)),
        *(("eTag", sent, "etag", expected) for sent, expected in (('"ab"', "ab"), ('""', None), ("", None))),
        *(("size", sent, "size", expected) for sent, expected in ((0, 0), ("0", 0), (None, None))),
        ("sequencer", "", "sequencer", None),
    ],
)
def test_a_missing_value_is_none(field: str, sent: object, attribute: str, expected: object) -> None:
    assert getattr(parse(changed(S3_PUT, *OBJECT, field, to=sent))[0], attribute) == expected


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-28T10:20:30Z",
        "2026-11-28T10:20:30.000Z",
        "2026-11-28T12:20:30+02:00",
        # Ceph, from oldest to newest
        "2026-11-28 10:20:30.000000Z",
        "2026-11-28T10:20:30.000000Z",
        "2026-11-28T10:20:30.000000+0000",
    ],
)
def test_times_are_utc(time: str) -> None:
    found = parse(changed(S3_PUT, *RECORD, "eventTime", to=time))[0].time
    assert found == TIME
    assert found.tzinfo is UTC


@pytest.mark.parametrize("time", ["2026-11-28T10:20:30", "2026-11-28", "now", "0001-01-01T00:00:00+01:00"])
def test_a_time_without_a_zone_is_malformed(time: str) -> None:
    with pytest.raises(MalformedNotificationError, match=r"^Records\[0\]\.eventTime must be a time"):
        parse(changed(S3_PUT, *RECORD, "eventTime", to=time))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "must be JSON"),
        ("{", "must be JSON"),
        ("[]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("{}", "must be a notification of "),
        ('{"hello": "world"}', "must be a notification of "),
        (b"\xff", "must be UTF-8"),
        ("\ud800", "must be UTF-8"),
        (json.dumps(S3_PUT).encode("utf-16"), "must be UTF-8"),
        (json.dumps(S3_PUT).encode("utf-8-sig"), "must be JSON"),
        (" " * MAX_BYTES + "{}", "must be at most 1048576 bytes"),
        ('{"a": "' + "é" * (MAX_BYTES // 2) + '"}', "must be at most 1048576 bytes"),
        (b" " * MAX_BYTES + b"{}", "must be at most 1048576 bytes"),
        ("[" * 500_000, "must be JSON"),
        ('{"Records":' * 90_000, "must be JSON"),
        ('{"Records": NaN}', "must not contain NaN or Infinity"),
        ('{"Records": [-Infinity]}', "must not contain NaN or Infinity"),
        ('{"Records": [], "Records": []}', "must not contain a name twice in an object"),
        ('{"Records": [{"eventName": "a", "eventName": "b"}]}', "must not contain a name twice"),
        ('{"Records": ' + "1" * 5000 + "}", "must be JSON"),
        (json.dumps(sns(sns(S3_PUT))), "must be a notification of "),
        (json.dumps({**sns(S3_PUT), "Message": "hello"}), "must be JSON"),
        (
            json.dumps({**sns(S3_PUT), "Type": "SubscriptionConfirmation"}),
            "Type must be Notification; confirm",
        ),
        ('{"Event": "s3:OtherEvent"}', "must be a notification of "),
    ],
)
def test_anything_else_is_malformed(body: bytes | str, reason: str) -> None:
    with pytest.raises(MalformedNotificationError, match=f"^{reason}"):
        parse_notifications(body)


def test_the_largest_message_is_read() -> None:
    message = json.dumps(S3_PUT)
    assert parse_notifications(message + " " * (MAX_BYTES - len(message))) == [OF_S3]


VALUES: list[Any] = [
    *(None, True, 0, -1, 10**30, 1.5, 1e308, "", "null", "%FF", "\ud800", "a" * 2000, [], {}, [[]], {"a": 1}),
    *([None], [{}], [""], "2026-11-28T10:20:30", '{"Records": [{"eventName": "ObjectCreated:Put"}]}'),
]


@pytest.mark.parametrize("name", ALL)
def test_no_field_breaks_the_reader(name: str) -> None:
    """Another value anywhere is read, ignored or malformed, and the error never shows it."""
    for path in places(ALL[name]):
        for value in VALUES:
            body = json.dumps(changed(ALL[name], *path, to=value))
            found, reason = _outcome(body)
            assert all(_is_sound(one) for one in found), (path, value)
            assert "aaaa" not in reason
            assert "2026" not in reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLACES = [(name, path) for name, message in ALL.items() for path in places(message)]


@given(st.sampled_from(PLACES), JSON)
def test_no_value_breaks_the_reader(place: tuple[str, tuple[str | int, ...]], value: object) -> None:
    name, path = place
    found, _ = _outcome(json.dumps(changed(ALL[name], *path, to=value)))
    assert all(_is_sound(one) for one in found)


@given(st.binary() | st.text(st.characters(exclude_categories=[])))
def test_no_body_breaks_the_reader(body: bytes | str) -> None:
    with pytest.raises(MalformedNotificationError):
        parse_notifications(body)


def _outcome(body: str) -> tuple[list[Notification], str]:
    try:
        return parse_notifications(body), ""
    except MalformedNotificationError as error:
        return [], str(error)


def _is_sound(one: Notification) -> bool:
    texts = (one.bucket, one.key, one.version_id, one.etag, one.sequencer, one.verdict)
    return (
        all(text is None or text.encode() for text in texts)
        and bool(one.bucket and one.key)
        and (one.size is None or str(one.size).isdecimal())
        and (one.time is None or one.time.tzinfo is UTC)
        and (one.kind == "scanned") == (one.verdict is not None)
    )
