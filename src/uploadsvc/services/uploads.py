"""The use cases of uploads that there are: sign their parts, look, complete, give up."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from uploadsvc.domain import errors
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.objects import StoredObject
from uploadsvc.domain.planner import UPLOAD_EXPIRES_IN
from uploadsvc.domain.principal import Principal
from uploadsvc.s3.errors import DEADLINE
from uploadsvc.s3.multipart import UnfinishedUpload
from uploadsvc.s3.presigner import Presigner, end_of_life
from uploadsvc.s3.storage import Storage
from uploadsvc.services.multipart import Multipart, SignedPart
from uploadsvc.services.policies import PolicyRegistry
from uploadsvc.services.results import Completion, State
from uploadsvc.services.verification import verify
from uploadsvc.tokens.receipts import Receipts
from uploadsvc.tokens.signed_ids import SignedIds, UploadClaims, listed_claims

OCTET_STREAM: Final = "application/octet-stream"
LONG_PATIENCE: Final = 50.0
"""Seconds that a client waits which would not ask again; proxies commonly give up after 60."""

UNKNOWN_POLICY_EXPIRES_IN: Final = 900
"""How long URLs live for an upload whose policy is gone from the settings, in seconds."""


class Uploads:
    """Uploads under the callers' own prefixes.

    Args:
        planners: Those of the policies.
        namespace: The key prefix.
        presigner: For what callers are handed.
        storage: The bucket.
        multipart: What is particular to multipart uploads.
        ids: Seals and opens upload ids.
        receipts: Signs receipts.
        keeps_octet_stream: Whether the store keeps that type, or guesses another by the key.
        may_delete: Whether callers may delete stored objects.
        clock: The time now, aware.
    """

    def __init__(
        self,
        *,
        planners: PolicyRegistry,
        namespace: Namespace,
        presigner: Presigner,
        storage: Storage,
        multipart: Multipart,
        ids: SignedIds,
        receipts: Receipts,
        keeps_octet_stream: bool,
        may_delete: bool,
        clock: Callable[[], datetime],
    ) -> None:
        self._planners = planners
        self._namespace = namespace
        self._presigner = presigner
        self._storage = storage
        self._multipart = multipart
        self._ids = ids
        self._receipts = receipts
        self._guessed_types = frozenset() if keeps_octet_stream else frozenset({OCTET_STREAM})
        self._may_delete = may_delete
        self._clock = clock

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
        """Sign parts of a multipart upload, as often as it takes while its id counts.

        Args:
            caller: Who asks.
            upload_id: The upload's id.
            part_numbers: Counted from 1.
            checksums: Of these parts, in their order, where the upload has them; in base64.
            size_open: Whether parts of any size will do, where the upload began without its own.
            expires_in: How long the URLs shall live, in seconds; cut to the most that the policy allows.

        Returns:
            The parts, and when their URLs end.

        Raises:
            MethodNotAvailable: It is no multipart upload.
            ValidationFailed: There is no such part, or its checksum is missing, malformed or unasked.
            UploadsvcError: No such upload of the caller's, or it expired.
        """
        claims = self._open(caller, upload_id)
        _check_multipart(claims)
        if not (claims.part_size or claims.listed or size_open):
            detail = "This upload began without its size, so its parts have none to be signed for."
            raise errors.MethodNotAvailable(detail, field="id")
        credentials = await self._storage.credentials()
        now = self._now()
        planner = self._planners.get(claims.policy)
        if planner is None:
            expires_in = UNKNOWN_POLICY_EXPIRES_IN
        else:
            expires_in = min(expires_in or planner.policy.expires_in, planner.policy.max_expires_in)
        left = claims.expires_at - int(now.timestamp())
        expires_at = end_of_life(credentials, now=now, expires_in=min(expires_in, left))
        parts = self._multipart.sign(
            claims, part_numbers, checksums=checksums, credentials=credentials, now=now, expires_at=expires_at
        )
        return parts, expires_at

    async def status(self, caller: Principal, upload_id: str) -> State:
        """Ask S3 how far an upload is.

        Raises:
            UploadsvcError: No such upload of the caller's, it expired, or S3 does not answer.
        """
        claims = self._open(caller, upload_id)
        async with _in_time():
            arrived = await self._multipart.arrived(claims) if claims.method == "multipart" else None
            if arrived is not None:
                status: Literal["pending", "uploading"] = "uploading" if arrived else "pending"
                return State(claims=claims, status=status, stored=None, parts=arrived)
            stored = await self._landed(claims)
        if stored is not None:
            return State(claims=claims, status="stored", stored=stored, parts=())
        # S3 forgets a multipart upload when it is complete, and when it is given up.
        gone = claims.method == "multipart"
        return State(claims=claims, status="aborted" if gone else "pending", stored=None, parts=())

    async def complete(
        self, caller: Principal, upload_id: str, etags: Mapping[int, str] | None = None
    ) -> Completion:
        """Compare what landed with what was promised, and sign a receipt. Safe to repeat.

        Args:
            caller: Who asks.
            upload_id: The upload's id.
            etags: Of a multipart upload: what the caller believes to have sent, by part number.

        Raises:
            UploadIncomplete: Nothing has landed yet, or not all parts.
            UploadAborted: The multipart upload was given up.
            ObjectExists: The multipart upload may not replace what is there.
            VerificationFailed: Something else landed.
            UploadsvcError: As for `status`.
        """
        claims = self._open(caller, upload_id)
        async with _in_time():
            stored = await self._assembled(claims, etags)
        checksum = verify(claims, stored, guessed_types=self._guessed_types)
        now = self._now()
        facts = {
            "bucket": stored.bucket,
            "key": stored.key,
            "size": stored.size,
            "content_type": stored.content_type,
            "etag": stored.etag,
            "version_id": stored.version_id,
            "checksum": {"algorithm": checksum.algorithm, "value": checksum.value} if checksum else None,
            "policy": claims.policy,
        }
        live = claims.replaceable_until > now.timestamp()
        return Completion(
            stored=stored,
            checksum=checksum,
            receipt=self._receipts.sign(facts, user=caller.user, jti=claims.upload_uuid, now=now),
            replaceable_until=datetime.fromtimestamp(claims.replaceable_until, UTC) if live else None,
        )

    async def complete_patiently(
        self, caller: Principal, upload_id: str, etags: Mapping[int, str]
    ) -> Completion:
        """Complete for a client that takes one answer for the last: wait while S3 puts the parts together.

        Raises:
            UploadsvcError: As for `complete`; `StillAssembling` only after `LONG_PATIENCE`.
        """
        deadline = self._now() + timedelta(seconds=LONG_PATIENCE)
        while True:
            try:
                return await self.complete(caller, upload_id, etags)
            except errors.StillAssembling:
                if self._now() >= deadline:
                    raise

    def location(self, key: str) -> str:
        """Return an object's address, which lets nobody in by itself."""
        return self._presigner.object_url(key)

    def seconds_until(self, moment: datetime) -> int:
        """Return how long it is until then."""
        return int((moment - self._now()).total_seconds())

    async def _assembled(self, claims: UploadClaims, etags: Mapping[int, str] | None) -> StoredObject:
        known, exists = True, None
        if claims.method == "multipart":
            try:
                known = await self._multipart.assemble(claims, etags)
            except errors.ObjectExists as error:
                # It may be this upload's own, where the answer that said so was lost.
                exists = error
        stored = await self._landed(claims)
        if stored is not None:
            return stored
        if exists is not None:
            raise exists
        if not known:
            detail = "This multipart upload was given up, or its parts have been cleaned away."
            raise errors.UploadAborted(detail)
        detail = "S3 does not have this upload's bytes yet; send them, then complete again."
        raise errors.UploadIncomplete(detail)

    async def delete(self, caller: Principal, upload_id: str) -> None:
        """Give an upload up: its parts, and what it stored, where callers may delete. Twice is fine.

        Raises:
            Forbidden: Something is stored, and callers may not delete.
            UploadsvcError: As for `status`.
        """
        claims = self._open(caller, upload_id)
        async with _in_time():
            if claims.method == "multipart":
                await self._multipart.abort(claims)
            if await self._landed(claims) is None:
                return
            if not self._may_delete:
                detail = "The object is stored, and this service does not let callers delete objects."
                raise errors.Forbidden(detail)
            await self._storage.delete(claims.key)

    async def abort(self, caller: Principal, upload_id: str) -> None:
        """Throw away the parts of a multipart upload, and nothing that is stored. Twice is fine.

        Raises:
            MethodNotAvailable: It is no multipart upload.
            UploadsvcError: As for `status`.
        """
        claims = self._open(caller, upload_id)
        _check_multipart(claims)
        await self._multipart.abort(claims)

    def check_key(self, caller: Principal, upload_id: str, key: str) -> None:
        """Hold a client that names the key beside the id to its word.

        Raises:
            NotFound: The upload has another key, or there is no such upload of the caller's.
            UploadsvcError: As for `status`.
        """
        if self._open(caller, upload_id).key != key:
            detail = "There is no such upload."
            raise errors.NotFound(detail)

    async def unfinished(
        self, caller: Principal, *, cursor: str | None, limit: int
    ) -> tuple[list[tuple[str, UnfinishedUpload]], str | None]:
        """List the caller's unfinished multipart uploads, as far as S3 remembers them.

        Args:
            caller: Whose.
            cursor: From the page before.
            limit: At most so many, 1 to 1,000.

        Returns:
            Each with an id that serves for its status and for giving it up, and the next page's cursor.

        Raises:
            Forbidden: The credential is an upload token, or limited to some policies.
            UploadsvcError: The cursor is malformed, or S3 does not answer.
        """
        # As for objects: what is listed does not say by which credential it was begun.
        caller.check_objects()
        prefix = self._namespace.user_prefix(caller.user)
        listed, following = await self._multipart.unfinished(prefix, cursor=cursor, limit=limit)
        ends = int((self._now() + timedelta(seconds=UPLOAD_EXPIRES_IN)).timestamp())
        return [
            (self._ids.sign(listed_claims(self._presigner.bucket, one.key, one.upload_id, ends)), one)
            for one in listed
        ], following

    def _open(self, caller: Principal, upload_id: str) -> UploadClaims:
        claims = self._ids.verify(upload_id)
        mine = claims.key.startswith(self._namespace.user_prefix(caller.user))
        if not mine or claims.bucket != self._storage.bucket:
            # The same words as for an id that nobody sealed.
            detail = "There is no such upload."
            raise errors.NotFound(detail)
        caller.check_policy(claims.policy)
        if claims.expires_at <= self._now().timestamp():
            detail = "This upload's id has expired; create a new upload."
            raise errors.UploadExpired(detail)
        return claims

    async def _landed(self, claims: UploadClaims) -> StoredObject | None:
        stored = await self._storage.head(claims.key)
        if stored is not None and stored.upload != (claims.upload_uuid if claims.tags_object else None):
            # Another upload's object under the same key, older or by another policy: it proves nothing.
            return None
        return stored

    def _now(self) -> datetime:
        return self._clock().replace(microsecond=0)


def _check_multipart(claims: UploadClaims) -> None:
    if claims.method != "multipart":
        detail = "This upload has no parts; it goes by one request."
        raise errors.MethodNotAvailable(detail, field="id")


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Bound several calls to S3 as one is bounded: a caller has its answer within five seconds."""
    try:
        async with asyncio.timeout(DEADLINE):
            yield
    except TimeoutError:
        detail = "The object store does not answer."
        raise errors.StorageUnavailable(detail) from None
