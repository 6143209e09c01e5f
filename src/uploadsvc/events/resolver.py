"""Turn S3's notifications into events."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from uploadsvc.domain.errors import ContentMismatch, StorageUnavailable, VerificationFailed
from uploadsvc.domain.events import Event, EventType, event_id
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.notifications import Notification
from uploadsvc.domain.objects import StoredObject
from uploadsvc.domain.policy import GUARDDUTY
from uploadsvc.s3.storage import Storage
from uploadsvc.services.inspection import Inspector
from uploadsvc.services.quotas import Quotas
from uploadsvc.services.verification import Completion, Verifier, receipt_id
from uploadsvc.tokens.object_claims import ObjectClaims
from uploadsvc.tokens.signed_ids import UploadClaims


class EventResolver:
    """Looks up the object of a notification in S3, and creates the event.

    A notification is only a hint, because anyone who can write to the queue can forge one. The content of the
    event comes from S3 itself, and from claims that only the service can sign.

    Args:
        storage: The bucket.
        namespace: The key prefix.
        object_claims: Verifies the claims that objects carry.
        verifier: Verifies stored objects.
        inspector: Reads the tags of scanners.
        quotas: Quotas of users; ``None`` if there are none.
        clock: Returns the current time, aware.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        namespace: Namespace,
        object_claims: ObjectClaims,
        verifier: Verifier,
        inspector: Inspector,
        quotas: Quotas | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._namespace = namespace
        self._object_claims = object_claims
        self._verifier = verifier
        self._inspector = inspector
        self._quotas = quotas
        self._clock = clock

    async def resolve(self, notification: Notification) -> Event | None:
        """Return the event, or ``None`` if there is none.

        There is none for another bucket, for a key outside all users' prefixes, and for an object that has
        since been replaced or deleted, for which S3 sends another notification.

        Raises:
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        user = self._namespace.user_of(notification.key)
        if notification.bucket != self._storage.bucket or user is None:
            return None
        if notification.kind == "deleted":
            return await self._deleted(notification, user)
        stored = await self._storage.head(notification.key, version_id=notification.version_id)
        if stored is None or (notification.etag and stored.etag != notification.etag):
            return None
        if notification.kind == "created":
            return await self.stored(stored, user=user, timestamp=notification.time)
        return await self._scanned(stored, user=user, notification=notification)

    async def stored(self, stored: StoredObject, *, user: str, timestamp: datetime | None = None) -> Event:
        """Return the event for a stored object.

        Args:
            stored: The object.
            user: Owner of the prefix that contains its key.
            timestamp: Time of the notification; ``None`` for the time of storage.

        Raises:
            UploadsvcError: As for `Verifier.complete`, except for errors that reject the upload.
        """
        claims = self._claims(stored)
        moment = timestamp or stored.last_modified
        if claims is None:
            # Nothing was promised: it comes from a bare URL, temporary credentials or a program of the
            # operator.
            facts = stored.key, stored.etag, stored.version_id or "", stored.last_modified.isoformat()
            data = _data(stored, user=user)
            return _event("upload.completed", moment, None, data, *facts)
        if self._quotas is not None:
            # The bytes are stored, accepted or not.
            await self._quotas.brought(user, claims.policy, claims.upload_uuid, stored.size)
        try:
            done = await self._verifier.complete(claims, stored, user=user, now=self._now())
        except VerificationFailed as error:
            return self.rejected(claims, stored, error, user=user, timestamp=moment)
        return self.completed(claims, done, user=user, timestamp=moment)

    def completed(
        self, claims: UploadClaims, done: Completion, *, user: str, timestamp: datetime | None = None
    ) -> Event:
        """Return the event for a verified upload."""
        data = _data(done.stored, user=user, claims=claims, done=done)
        moment = timestamp or done.stored.last_modified
        return _event("upload.completed", moment, claims, data, done.receipt_id)

    def rejected(
        self,
        claims: UploadClaims,
        stored: StoredObject,
        reason: VerificationFailed,
        *,
        user: str,
        timestamp: datetime | None = None,
    ) -> Event:
        """Return the event for a rejected upload."""
        data = _data(stored, user=user, claims=claims, reason=reason)
        moment = timestamp or stored.last_modified
        return _event("upload.rejected", moment, claims, data, receipt_id(claims, stored))

    async def settle(self, event: Event) -> None:
        """Delete a rejected object, if its policy says so. Call it after the event was sent or queued.

        The other way round, a worker that ends in between would leave no trace of the upload.

        Raises:
            UploadsvcError: S3 denies a call, fails or does not answer.
        """
        if event.type != "upload.rejected" or event.data["reason"]["code"] != ContentMismatch.code:
            return
        if not self._inspector.deletes_mismatched(event.policy):
            return
        described = event.data["object"]
        key, version_id = described["key"], described["version_id"]
        stored = await self._storage.head(key, version_id=version_id)
        if stored is not None and stored.etag == described["etag"]:
            await self._storage.delete(key, version_id=version_id)
            if self._quotas is not None and event.policy is not None:
                # If its URL stores the bytes again, there is another event.
                await self._quotas.brought(event.data["user"], event.policy, event.data["upload_id"], 0)

    async def _scanned(self, stored: StoredObject, *, user: str, notification: Notification) -> Event | None:
        """Return the event for a scanner's tag, or ``None`` for other tags."""
        claims = self._claims(stored)
        scan = await self._inspector.scan(claims, stored) if claims else None
        if claims is None or scan is None:
            return None
        rule, value = scan
        if value is None:
            if notification.kind == "scanned" and rule.tag == GUARDDUTY.tag:
                # GuardDuty may notify before it sets the tag, and not every queue gets notifications of tags.
                detail = "S3 does not have the tag of this scan yet."
                raise StorageUnavailable(detail)
            return None
        moment = notification.time or self._now()
        done, reason = None, None
        try:
            done = await self._verifier.complete(claims, stored, user=user, now=self._now())
        except VerificationFailed as error:
            reason = error
        data = _data(stored, user=user, claims=claims, done=done, reason=reason)
        data["scan"] = {"tag": rule.tag, "value": value, "available": value == rule.value}
        return _event("upload.scanned", moment, claims, data, receipt_id(claims, stored), rule.tag, value)

    async def _deleted(self, notification: Notification, user: str) -> Event | None:
        if await self._storage.head(notification.key) is not None:
            # It was stored again since, or only an older version was deleted.
            return None
        data = {
            "upload_id": None,
            "user": user,
            "policy": None,
            "verified": False,
            "object": {
                "key": notification.key,
                "bucket": notification.bucket,
                "version_id": notification.version_id,
            },
            "receipt": None,
        }
        moment = notification.time or self._now()
        facts = notification.key, notification.version_id or "", notification.sequencer or moment.isoformat()
        return _event("object.deleted", moment, None, data, *facts)

    def _claims(self, stored: StoredObject) -> UploadClaims | None:
        if stored.claims is None:
            return None
        return self._object_claims.verify(stored.claims, bucket=stored.bucket, key=stored.key)

    def _now(self) -> datetime:
        return self._clock().replace(microsecond=0)


def _event(
    event_type: EventType,
    timestamp: datetime,
    claims: UploadClaims | None,
    data: dict[str, Any],
    *facts: str,
) -> Event:
    return Event(
        id=event_id(event_type, *facts),
        type=event_type,
        timestamp=timestamp,
        policy=claims.policy if claims else None,
        data=data,
    )


def _data(
    stored: StoredObject,
    *,
    user: str,
    claims: UploadClaims | None = None,
    done: Completion | None = None,
    reason: VerificationFailed | None = None,
) -> dict[str, Any]:
    checksum = done.checksum if done else next(iter(stored.checksums), None)
    data: dict[str, Any] = {
        "upload_id": claims.upload_uuid if claims else None,
        "user": user,
        "policy": claims.policy if claims else None,
        "verified": done is not None,
        "object": {
            "key": stored.key,
            "bucket": stored.bucket,
            "size": stored.size,
            "content_type": stored.content_type,
            "etag": stored.etag,
            "version_id": stored.version_id,
            "checksum": {"algorithm": checksum.algorithm, "value": checksum.value} if checksum else None,
            "last_modified": stored.last_modified.isoformat().replace("+00:00", "Z"),
            "metadata": dict(stored.metadata),
        },
        "receipt": done.receipt if done else None,
    }
    if reason is not None:
        data["reason"] = {"code": reason.code, "detail": reason.detail, "field": reason.field}
    return data
