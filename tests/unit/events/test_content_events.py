"""Events report scans and mismatched files, which are deleted only after their event."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import jwt
import pytest
from tests.support.claims import CLAIMS
from tests.support.fakes import BUCKET, NOON, FakeBucket

from uploadsvc.domain.errors import StorageUnavailable
from uploadsvc.domain.events import Event
from uploadsvc.domain.notifications import Kind, Notification
from uploadsvc.domain.objects import StoredObject
from uploadsvc.domain.policy import GUARDDUTY, Policy

KEY: Final = "uploads/ann/a.txt"


class Resolving(FakeBucket):
    """A resolver, and one object that an upload has stored."""

    def __init__(self, *, content: bytes = b"hello", carries: bool = True, **policy: Any) -> None:  # noqa: ANN401
        super().__init__(Policy(name="default", **policy))
        claims = replace(CLAIMS, bucket=BUCKET, key=KEY, content_type="text/csv", checksum=None)
        self.store(
            KEY,
            size=5,
            content_type="text/csv",
            version_id="v1",
            claims=self.object_claims.sign(claims) if carries else None,
        )
        self.storage.contents[KEY] = content

    async def told(self, kind: Kind, tags: Mapping[str, str] = {}) -> Event | None:
        """Return the event of a notification, with these tags of the object."""
        self.storage.tags_of[KEY] = dict(tags)
        notification = Notification(kind=kind, bucket=BUCKET, key=KEY, version_id="v1", time=NOON)
        return await self.resolver.resolve(notification)


@pytest.mark.parametrize("kind", ["tagged", "scanned"])
@pytest.mark.parametrize(("value", "available"), [(GUARDDUTY.value, True), ("THREATS_FOUND", False)])
async def test_a_scan_has_an_event_with_its_verdict(kind: Kind, value: str, *, available: bool) -> None:
    resolving = Resolving(available_when=GUARDDUTY)
    event = await resolving.told(kind, {GUARDDUTY.tag: value, "other": "x"})
    assert event
    assert (event.type, event.policy) == ("upload.scanned", "default")
    assert event.data["scan"] == {"tag": GUARDDUTY.tag, "value": value, "available": available}
    receipt = jwt.decode(event.data["receipt"], options={"verify_signature": False})
    assert (receipt["available"], event.data["verified"]) == (available, True)
    # S3 tells of tags, GuardDuty of scans, both perhaps twice: receivers see one event.
    again = await resolving.told("tagged", {GUARDDUTY.tag: value})
    other = await resolving.told("tagged", {GUARDDUTY.tag: "UNSUPPORTED"})
    assert again
    assert other
    assert again.id == event.id != other.id


async def test_tags_that_are_no_scan_have_no_event() -> None:
    tags = {GUARDDUTY.tag: GUARDDUTY.value}
    assert await Resolving(available_when=GUARDDUTY).told("tagged", {"other": "x"}) is None
    assert await Resolving().told("tagged", tags) is None
    assert await Resolving(available_when=GUARDDUTY, carries=False).told("tagged", tags) is None


async def test_a_scan_waits_for_its_tag() -> None:
    """GuardDuty may tell EventBridge before it tags; the notification comes again."""
    with pytest.raises(StorageUnavailable, match="the tag of this scan yet"):
        await Resolving(available_when=GUARDDUTY).told("scanned")


@pytest.mark.parametrize("deletes", [False, True])
async def test_a_mismatched_file_is_deleted_after_its_event(*, deletes: bool) -> None:
    resolving = Resolving(content=b"<html>", verify_content=True, delete_mismatched=deletes)
    event = await resolving.told("created")
    assert event
    assert event.type == "upload.rejected"
    assert event.data["reason"]["code"] == "content_mismatch"
    assert (await resolving.told("created")) == event
    await resolving.resolver.settle(event)
    assert bool(resolving.storage.objects) != deletes
    # Again, as after a crash.
    await resolving.resolver.settle(event)


async def test_nothing_else_is_deleted() -> None:
    policy: dict[str, Any] = {"verify_content": True, "delete_mismatched": True}
    good = Resolving(**policy)
    event = await good.told("created")
    assert event
    await good.resolver.settle(event)
    assert good.storage.objects
    # Refused for its size, not for its bytes.
    long = Resolving(**policy)
    long.storage.objects[KEY] = replace(long.storage.objects[KEY], size=6)
    event = await long.told("created")
    assert event
    assert event.type == "upload.rejected"
    await long.resolver.settle(event)
    assert long.storage.objects
    # Replaced since by another file.
    replaced = Resolving(content=b"<html>", **policy)
    event = await replaced.told("created")
    assert event
    replaced.storage.objects[KEY] = replace(replaced.storage.objects[KEY], etag="another")
    await replaced.resolver.settle(event)
    assert replaced.storage.objects


async def test_the_version_that_was_refused_is_deleted_though_there_is_a_newer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolving = Resolving(content=b"<html>", verify_content=True, delete_mismatched=True)
    event = await resolving.told("created")
    assert event
    head = resolving.storage.head

    async def of_version(key: str, *, version_id: str | None = None) -> StoredObject | None:
        stored = await head(key, version_id=version_id)
        return stored and (stored if version_id == "v1" else replace(stored, etag="newer"))

    monkeypatch.setattr(resolving.storage, "head", of_version)
    await resolving.resolver.settle(event)
    assert not resolving.storage.objects
