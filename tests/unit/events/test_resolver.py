"""Each notification becomes the event that S3 confirms, or none."""

import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from tests.support.fakes import BUCKET, NOON, FakeBucket

from uploadsvc.domain.checksums import Checksum
from uploadsvc.domain.events import Event, EventType
from uploadsvc.domain.notifications import Kind, Notification
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.policy import Policy
from uploadsvc.domain.principal import Principal
from uploadsvc.services.create_upload import Grant

ANN = Principal(user="ann", policies=None, kind="user")
NOTE = UploadRequest(filename="note.txt", size=5)


def carried(grant: Grant) -> str:
    """Return the claims that an upload lets its object carry."""
    return {**grant.plan.headers, **grant.plan.fields}["x-amz-meta-uploadsvc-claims"]


async def landed(bucket: FakeBucket, request: UploadRequest = NOTE, **facts: Any) -> str:  # noqa: ANN401 - of an object
    """Create an upload, let its bytes arrive, and return its key."""
    grant = await bucket.creator.create(ANN, None, request)
    bucket.store(grant.plan.key, **{"size": 5, "claims": carried(grant), **facts})
    return grant.plan.key


def told(key: str, kind: Kind = "created", **facts: Any) -> Notification:  # noqa: ANN401 - of a notification
    """Return a notification about an object."""
    return Notification(**{"kind": kind, "bucket": BUCKET, "key": key, "etag": "e", "time": NOON, **facts})


async def event_of(bucket: FakeBucket, notification: Notification) -> Event:
    """Return the event of a notification that has one."""
    event = await bucket.resolver.resolve(notification)
    assert event is not None
    return event


@pytest.mark.parametrize("method", ["put", "post", "multipart"])
async def test_a_stored_upload_is_verified_though_nobody_completed_it(method: Any) -> None:  # noqa: ANN401 - a method
    bucket = FakeBucket()
    key = await landed(bucket, replace(NOTE, method=method))
    event = await event_of(bucket, told(key))
    body = json.loads(event.body())
    assert (body["type"], body["timestamp"]) == ("upload.completed", "2026-11-23T12:00:00.000Z")
    data = body["data"]
    assert (data["user"], data["policy"], data["verified"]) == ("ann", "default", True)
    assert (data["object"]["key"], data["object"]["size"]) == (key, 5)
    claims = jwt.decode(data["receipt"], options={"verify_signature": False})
    assert (claims["sub"], claims["key"], claims["policy"]) == ("ann", key, "default")


async def test_the_event_of_complete_is_the_same() -> None:
    """So a receiver that hears of an upload twice counts it once."""
    bucket = FakeBucket()
    grant = await bucket.creator.create(ANN, None, NOTE)
    bucket.store(grant.plan.key, size=5, claims=carried(grant))
    done = await bucket.uploads.complete(ANN, grant.id)
    claims = bucket.ids.verify(grant.id)
    completed = bucket.resolver.completed(claims, done, user="ann", timestamp=NOON)
    notified = await event_of(bucket, told(grant.plan.key))
    assert (completed.id, completed.body()) == (notified.id, notified.body())


async def test_repeated_notifications_have_one_event_and_other_bytes_another() -> None:
    bucket = FakeBucket()
    key = await landed(bucket)
    first = await event_of(bucket, told(key))
    assert (await event_of(bucket, told(key, time=None))).id == first.id
    claims = bucket.storage.objects[key].claims
    bucket.store(key, size=5, claims=claims, etag="other")
    assert (await event_of(bucket, told(key, etag="other"))).id != first.id


async def test_an_object_that_is_not_as_promised_is_rejected() -> None:
    bucket = FakeBucket()
    event = await event_of(bucket, told(await landed(bucket, size=6)))
    assert (event.type, event.data["verified"], event.data["receipt"]) == ("upload.rejected", False, None)
    assert event.data["reason"]["code"] == "verification_failed"
    assert event.data["reason"]["field"] == "size"


@pytest.mark.parametrize("claims", [None, "", "forged", "other upload"])
async def test_an_object_without_claims_of_its_own_is_not_verified(claims: str | None) -> None:
    bucket = FakeBucket()
    if claims == "other upload":
        claims = bucket.storage.objects[await landed(bucket)].claims
    key = await landed(bucket, claims=claims)
    event = await event_of(bucket, told(key))
    assert event.type == "upload.completed"
    nothing = {"upload_id": None, "policy": None, "verified": False, "receipt": None}
    assert nothing.items() <= event.data.items()
    assert event.data["user"] == "ann"
    assert not event.is_for(types=["*"], policies=["default"])


@pytest.mark.parametrize(
    "change",
    [
        {"bucket": "other"},
        {"key": "elsewhere/ann/note.txt"},
        {"key": "uploads/note.txt"},
        {"key": "uploads/ann/never-stored.txt"},
        {"etag": "replaced"},
        {"version_id": "another"},
    ],
)
async def test_a_forged_or_outdated_notification_has_no_event(change: dict[str, Any]) -> None:
    bucket = FakeBucket()
    key = await landed(bucket, version_id="v1")
    bucket.store("elsewhere/ann/note.txt", size=5)
    bucket.store("uploads/note.txt", size=5)
    assert await bucket.resolver.resolve(told(key, version_id="v1")) is not None
    assert await bucket.resolver.resolve(replace(told(key, version_id="v1"), **change)) is None


async def test_a_deleted_object_has_an_event_unless_it_is_there_again() -> None:
    bucket = FakeBucket()
    key = await landed(bucket)
    gone = told(key, "deleted", version_id="marker", sequencer="01")
    assert await bucket.resolver.resolve(gone) is None
    del bucket.storage.objects[key]
    event = await event_of(bucket, gone)
    assert (event.type, event.data["user"], event.data["object"]["key"]) == ("object.deleted", "ann", key)
    assert (await event_of(bucket, gone)).id == event.id
    assert (await event_of(bucket, replace(gone, sequencer="02"))).id != event.id


async def test_the_claims_leave_room_for_the_metadata_of_the_policy() -> None:
    """S3 refuses more than 2 KB in all."""
    policy = Policy(name="default", metadata={"note": None})
    bucket = FakeBucket(policy)
    grant = await bucket.creator.create(ANN, None, replace(NOTE, metadata={"note": "x" * 1276}))
    metadata = {name: value for name, value in grant.plan.headers.items() if name.startswith("x-amz-meta-")}
    assert sum(len(name.removeprefix("x-amz-meta-")) + len(value) for name, value in metadata.items()) <= 2048
    with pytest.raises(Exception, match="up to 1280 are allowed"):
        await bucket.creator.create(ANN, None, replace(NOTE, metadata={"note": "x" * 1277}))


@pytest.mark.parametrize(
    ("types", "wanted"),
    [(["*"], True), (["upload.*"], True), (["upload.completed"], True), (["object.*"], False), ([], False)],
)
def test_receivers_choose_types(types: list[str], *, wanted: bool) -> None:
    event_type: EventType = "upload.completed"
    event = Event(id="evt_1", type=event_type, timestamp=NOON, policy="default", data={})
    assert event.is_for(types=types, policies=["*"]) is wanted
    assert event.is_for(types=types, policies=["default"]) is wanted
    assert not event.is_for(types=types, policies=["other"])


@pytest.mark.parametrize("may_write", [False, True])
async def test_claims_do_not_vouch_for_bytes_that_came_with_s3_credentials(*, may_write: bool) -> None:
    """Who has them can send other bytes with the metadata of the upload, and without its checksum."""
    bucket = FakeBucket(may_write=may_write)
    promised = replace(NOTE, checksum=Checksum("sha256", "A" * 43 + "="))
    key = await landed(bucket, promised, checksums=(Checksum("crc64nvme", "AAAAAAAAAAE="),))
    event = await event_of(bucket, told(key))
    assert event.type == ("upload.rejected" if may_write else "upload.completed")
