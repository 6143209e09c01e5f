"""Existing uploads: sign parts, status, complete, abort, delete."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, Protocol

from uploadsvc.domain import errors
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.objects import StoredObject
from uploadsvc.domain.parts import UploadedPart
from uploadsvc.domain.planner import UPLOAD_EXPIRES_IN
from uploadsvc.domain.principal import Principal
from uploadsvc.s3.multipart import MultipartStorage, UnfinishedUpload
from uploadsvc.s3.presigner import Presigner
from uploadsvc.s3.storage import Storage
from uploadsvc.services.assembly import UploadObjects, in_time
from uploadsvc.services.claiming import Claimer
from uploadsvc.services.multipart import (
    FIRST_PARTS,
    SignedPart,
    check_signable,
    sign_parts,
    unfinished_uploads,
    uploaded_parts,
)
from uploadsvc.services.policies import PolicyRegistry
from uploadsvc.services.quotas import Quotas
from uploadsvc.services.turns import Turns
from uploadsvc.services.verification import Completion, Verifier
from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.telemetry.records import note_upload
from uploadsvc.tokens.signed_ids import SignedIds, UploadClaims, listed_claims

UNKNOWN_POLICY_EXPIRES_IN: Final = 900
"""Lifetime of part URLs in seconds if the policy of the upload was removed from the settings."""

_COUNTED: Final = 10_000
"""Completed uploads to remember, so that a repeated completion is not counted again."""

_SLICE: Final = 50
"""Ids of a listing to sign between two yields to the event loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadStatus:
    """State of an upload in S3.

    Attributes:
        claims: The upload.
        status: Status of the upload.
        stored: The object, if it is stored.
        parts: Parts that have arrived, while a multipart upload is in progress.
    """

    claims: UploadClaims
    status: Literal["pending", "uploading", "stored", "aborted"]
    stored: StoredObject | None
    parts: Sequence[UploadedPart]


class CompletionListener(Protocol):
    """Gets the result of each completion. It must neither block nor raise."""

    def completed(self, claims: UploadClaims, done: Completion, *, user: str) -> None:
        """An upload was verified, perhaps not for the first time."""

    def rejected(
        self, claims: UploadClaims, stored: StoredObject, reason: errors.VerificationFailed, *, user: str
    ) -> None:
        """The object of an upload was rejected."""


class Uploads:
    """Uploads under the caller's prefix.

    Args:
        policies: Policies of the service.
        namespace: The key prefix.
        presigner: Signs part URLs.
        storage: The bucket.
        multipart: Multipart uploads of the bucket.
        ids: Verifies upload ids, and signs those in listings.
        verifier: Verifies stored objects.
        claimer: Claims verified objects.
        keys_are_paths: Whether the store keeps keys as paths, so ``a`` and ``a/b`` exclude each other.
        may_delete: Whether callers may delete stored objects.
        may_remove: Whether refused objects are deleted here, because no worker has to report them first.
        quotas: Quotas of users; ``None`` if there are none.
        clock: Returns the current time, aware.
        metrics: Counts completed uploads.
    """

    def __init__(
        self,
        *,
        policies: PolicyRegistry,
        namespace: Namespace,
        presigner: Presigner,
        storage: Storage,
        multipart: MultipartStorage,
        ids: SignedIds,
        verifier: Verifier,
        claimer: Claimer,
        keys_are_paths: bool,
        may_delete: bool,
        may_remove: bool = True,
        quotas: Quotas | None = None,
        clock: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        self._policies = policies
        self._namespace = namespace
        self._presigner = presigner
        self._storage = storage
        self._multipart = multipart
        self._ids = ids
        self._verifier = verifier
        self._claimer = claimer
        self._quotas = quotas
        self._objects = UploadObjects(storage=storage, multipart=multipart, keys_are_paths=keys_are_paths)
        self._may_delete = may_delete
        self._may_remove = may_remove
        self._clock = clock
        self._metrics = metrics
        self._counted: dict[str, None] = {}
        self._turns = Turns()
        self._listener: CompletionListener | None = None

    def tell(self, listener: CompletionListener) -> None:
        """Call a listener for each completion from now on."""
        self._listener = listener

    async def sign_parts(
        self,
        caller: Principal,
        upload_id: str,
        part_numbers: Sequence[int],
        checksums: Sequence[str] | None,
        *,
        size_open: bool = False,
        expires_in: int | None = None,
    ) -> tuple[list[SignedPart], datetime]:
        """Sign parts of a multipart upload, any number of times until its id expires.

        Args:
            caller: The caller.
            upload_id: Id of the upload.
            part_numbers: From 1.
            checksums: Checksums of these parts in the same order, in base64, if the upload uses any.
            size_open: Allow parts of any size if the size of the upload is unknown.
            expires_in: Lifetime of the URLs in seconds, at most the policy's maximum.

        Returns:
            The parts, and the expiry time of their URLs.

        Raises:
            MethodNotAvailable: It is not a multipart upload.
            ValidationFailed: A part does not exist, or its checksum is missing, malformed or unexpected.
            UploadsvcError: The caller has no such upload, or it has expired.
        """
        claims = self._verify(caller, upload_id)
        _check_multipart(claims)
        if not (claims.part_size or claims.listed or size_open):
            detail = "The size of this upload is unknown, so its parts cannot be signed for their sizes."
            raise errors.MethodNotAvailable(detail, field="id")
        planner = self._policies.get(claims.policy)
        if planner is None:
            expires_in = UNKNOWN_POLICY_EXPIRES_IN
        else:
            expires_in = min(expires_in or planner.policy.expires_in, planner.policy.max_expires_in)
        end = datetime.fromtimestamp(claims.expires_at, UTC)
        batch = await self._presigner.start(expires_in=expires_in, not_after=end)
        check_signable(claims, part_numbers, checksums)
        signed: list[SignedPart] = []
        for start in range(0, len(part_numbers), FIRST_PARTS):
            some = slice(start, start + FIRST_PARTS)
            async with self._turns.turn():
                signed += sign_parts(
                    claims, part_numbers[some], checksums=checksums and checksums[some], batch=batch
                )
        return signed, batch.expires_at

    async def status(self, caller: Principal, upload_id: str) -> UploadStatus:
        """Return the state of an upload in S3.

        Raises:
            UploadsvcError: The caller has no such upload, it has expired, or S3 does not answer.
        """
        claims = self._verify(caller, upload_id)
        async with in_time():
            multipart = claims.method == "multipart"
            arrived = await uploaded_parts(self._multipart, claims) if multipart else None
            if arrived is not None:
                status: Literal["pending", "uploading"] = "uploading" if arrived else "pending"
                return UploadStatus(claims=claims, status=status, stored=None, parts=arrived)
            stored = await self._objects.find(claims)
        if stored is not None:
            return UploadStatus(claims=claims, status="stored", stored=stored, parts=())
        # S3 forgets a multipart upload once it is complete or aborted.
        return UploadStatus(
            claims=claims, status="aborted" if multipart else "pending", stored=None, parts=()
        )

    async def complete(
        self,
        caller: Principal,
        upload_id: str,
        etags: Mapping[int, str] | None = None,
        *,
        wait: float = 0.0,
        through_outages: bool = False,
    ) -> Completion:
        """Verify the stored object, claim it and sign a receipt. Idempotent.

        Args:
            caller: The caller.
            upload_id: Id of the upload.
            etags: ETags that the caller received for its parts, by part number.
            wait: Seconds to keep trying while S3 is assembling the parts, for clients that treat the first
                failure as final.
            through_outages: Keep trying that long while S3 does not answer, too.

        Raises:
            UploadIncomplete: Nothing has arrived yet, or not all parts.
            UploadAborted: The multipart upload was aborted.
            ObjectExists: The multipart upload may not replace the object with this key.
            VerificationFailed: The stored object differs from the upload.
            ContentMismatch: Its first bytes are those of another format. It is deleted if the policy says so,
                unless the events worker does that.
            StillAssembling: S3 is still assembling the parts.
            UploadsvcError: As for `status`.
        """
        claims = self._verify(caller, upload_id)
        async with nullcontext() if wait else in_time():
            try:
                stored = await self._objects.assembled(
                    claims, etags, wait=wait, through_outages=through_outages
                )
            except errors.UploadAborted:
                await self._count_aborted(caller, claims, None)
                raise
            done = await self._verified(caller, claims, stored)
            await self._claimer.completed(claims, stored)
        self._count(claims, stored)
        if self._listener is not None:
            self._listener.completed(claims, done, user=caller.user)
        return done

    async def _verified(self, caller: Principal, claims: UploadClaims, stored: StoredObject) -> Completion:
        try:
            async with in_time():
                done = await self._verifier.complete(claims, stored, user=caller.user, now=self._now())
        except errors.VerificationFailed as error:
            self._metrics.uploads_refused.inc(claims.policy, error.code)
            await self._count_stored(caller, claims, stored.size)
            if self._listener is not None:
                self._listener.rejected(claims, stored, error, user=caller.user)
            if isinstance(error, errors.ContentMismatch):
                await self._remove_mismatched(caller, claims, stored)
            raise
        await self._count_stored(caller, claims, stored.size)
        return done

    def _count(self, claims: UploadClaims, stored: StoredObject) -> None:
        if claims.upload_uuid in self._counted:
            return
        if len(self._counted) >= _COUNTED:
            del self._counted[next(iter(self._counted))]
        self._counted[claims.upload_uuid] = None
        self._metrics.uploads_completed.inc(claims.policy, claims.method)
        self._metrics.bytes_verified.add(stored.size, claims.policy)

    async def _remove_mismatched(self, caller: Principal, claims: UploadClaims, stored: StoredObject) -> None:
        """Delete an object whose content does not match its type, if policy and caller allow it."""
        planner = self._policies.get(claims.policy)
        if self._may_remove and planner is not None and planner.policy.delete_mismatched:
            await self._storage.delete(stored.key, version_id=stored.version_id)
            if claims.method == "multipart" or claims.url_expires_at <= self._now().timestamp():
                # Otherwise its URL could store the bytes again, with no completion to check them.
                await self._count_stored(caller, claims, 0)

    async def _count_stored(self, caller: Principal, claims: UploadClaims, size: int) -> None:
        if self._quotas is not None:
            await self._quotas.brought(caller.user, claims.policy, claims.upload_uuid, size)

    async def _count_aborted(
        self, caller: Principal, claims: UploadClaims, stored: StoredObject | None
    ) -> None:
        """Release the quota of an aborted upload, unless it has stored an object."""
        if self._quotas is None:
            return
        if claims.listed:
            # A listing does not show which upload stored the object.
            any_stored = await self._storage.head(claims.key) is not None
            await self._quotas.aborted_listed(caller.user, claims.upload_id, stored=any_stored)
        elif stored is not None:
            await self._count_stored(caller, claims, stored.size)
        else:
            await self._quotas.aborted(caller.user, claims)

    def location(self, key: str) -> str:
        """Return the URL of an object, without a signature and so without access."""
        return self._presigner.object_url(key)

    def seconds_until(self, moment: datetime) -> int:
        """Return the seconds from now until ``moment``."""
        return int((moment - self._now()).total_seconds())

    async def delete(self, caller: Principal, upload_id: str) -> None:
        """Abort an upload, and delete its stored object if callers may delete. Idempotent.

        Raises:
            Forbidden: An object is stored, and callers may not delete.
            UploadsvcError: As for `status`.
        """
        claims = self._verify(caller, upload_id)
        async with in_time():
            if claims.method == "multipart":
                await self._multipart.abort(claims.key, claims.upload_id)
            stored = await self._objects.find(claims)
            await self._count_aborted(caller, claims, stored)
            if stored is None:
                return
            if not self._may_delete:
                detail = "The object is stored, and this service does not let callers delete objects."
                raise errors.Forbidden(detail)
            await self._storage.delete(claims.key)

    async def abort(self, caller: Principal, upload_id: str) -> None:
        """Abort a multipart upload. A stored object stays. Idempotent.

        Raises:
            MethodNotAvailable: It is not a multipart upload.
            UploadsvcError: As for `status`.
        """
        claims = self._verify(caller, upload_id)
        _check_multipart(claims)
        await self._multipart.abort(claims.key, claims.upload_id)
        if self._quotas is not None:
            await self._count_aborted(caller, claims, await self._objects.find(claims))

    def check_key(self, caller: Principal, upload_id: str, key: str) -> None:
        """Check that an upload has this key.

        Raises:
            NotFound: The upload has another key, or the caller has no such upload.
            UploadsvcError: As for `status`.
        """
        if self._verify(caller, upload_id).key != key:
            detail = "There is no such upload."
            raise errors.NotFound(detail)

    async def unfinished(
        self, caller: Principal, *, cursor: str | None, limit: int
    ) -> tuple[list[tuple[str, UnfinishedUpload]], str | None]:
        """List the caller's unfinished multipart uploads in S3.

        Args:
            caller: The caller.
            cursor: Cursor of the previous page.
            limit: Maximum number of uploads, 1 to 1,000.

        Returns:
            Each upload with an id to get its status and to delete it, and the cursor of the next page.

        Raises:
            Forbidden: The credential is an upload token, or limited to some policies.
            UploadsvcError: The cursor is malformed, or S3 does not answer.
        """
        # As for objects: a listing does not show which credential created an upload.
        caller.check_objects()
        prefix = self._namespace.user_prefix(caller.user)
        listed, following = await unfinished_uploads(self._multipart, prefix, cursor=cursor, limit=limit)
        end = int((self._now() + timedelta(seconds=UPLOAD_EXPIRES_IN)).timestamp())
        found = []
        for index, one in enumerate(listed):
            if index % _SLICE == 0:
                await asyncio.sleep(0)
            claims = listed_claims(self._presigner.bucket, one.key, one.upload_id, end)
            found.append((self._ids.sign(claims), one))
        return found, following

    def _verify(self, caller: Principal, upload_id: str) -> UploadClaims:
        claims = self._ids.verify(upload_id)
        note_upload(claims.policy, claims.method, claims.upload_uuid)
        own = claims.key.startswith(self._namespace.user_prefix(caller.user))
        if not own or claims.bucket != self._storage.bucket:
            # The same message as for a forged id.
            detail = "There is no such upload."
            raise errors.NotFound(detail)
        caller.check_policy(claims.policy)
        if claims.expires_at <= self._now().timestamp():
            detail = "This upload's id has expired; create a new upload."
            raise errors.UploadExpired(detail)
        return claims

    def _now(self) -> datetime:
        return self._clock().replace(microsecond=0)


def _check_multipart(claims: UploadClaims) -> None:
    if claims.method != "multipart":
        detail = "This upload has no parts: it is sent in one request."
        raise errors.MethodNotAvailable(detail, field="id")
