"""The use cases of uploading: create, look, complete, give up."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from uploadsvc.domain import errors, media_types
from uploadsvc.domain.checksums import Checksum
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.objects import StoredObject
from uploadsvc.domain.plan import Plan, UploadRequest
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.principal import Principal
from uploadsvc.handles import Handle, UploadIds
from uploadsvc.receipts import Receipts
from uploadsvc.signing import Signer, end_of_life
from uploadsvc.storage import Storage

DEFAULT_POLICY: Final = "default"
OCTET_STREAM: Final = "application/octet-stream"
UPLOAD_LIFETIME: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A new upload: its id, and what the caller needs to send the bytes.

    Attributes:
        id: The sealed handle.
        plan: What was decided.
        bucket: Where the object goes.
        url: A presigned PUT, or where the form is posted to.
        fields: All fields of a form; empty for a PUT.
        expires_at: When URL or form ends.
        upload_expires_at: When the id ends.
    """

    id: str
    plan: Plan
    bucket: str
    url: str
    fields: Mapping[str, str]
    expires_at: datetime
    upload_expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What S3 says of an upload now; ``stored`` is ``None`` while it is pending."""

    handle: Handle
    stored: StoredObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A verified upload.

    Attributes:
        stored: What S3 holds.
        checksum: The checksum that S3 confirms, if any.
        receipt: The signed proof.
        replaceable_until: Until when a live URL could still replace the bytes.
    """

    stored: StoredObject
    checksum: Checksum | None
    receipt: str
    replaceable_until: datetime | None


class Uploads:
    """Uploads under the callers' own prefixes.

    Args:
        planners: One for each policy, by name.
        namespace: The key prefix.
        signer: For what callers are handed.
        storage: The bucket.
        ids: Seals and opens upload ids.
        receipts: Signs receipts.
        keeps_octet_stream: Whether the store keeps that type, or guesses another by the key.
        may_delete: Whether callers may delete stored objects.
        clock: The time now, aware.
    """

    def __init__(
        self,
        *,
        planners: Mapping[str, Planner],
        namespace: Namespace,
        signer: Signer,
        storage: Storage,
        ids: UploadIds,
        receipts: Receipts,
        keeps_octet_stream: bool,
        may_delete: bool,
        clock: Callable[[], datetime],
    ) -> None:
        self._planners = planners
        self._namespace = namespace
        self._signer = signer
        self._storage = storage
        self._ids = ids
        self._receipts = receipts
        self._guessed_types = frozenset() if keeps_octet_stream else frozenset({OCTET_STREAM})
        self._may_delete = may_delete
        self._clock = clock

    def policies(self, caller: Principal) -> list[Planner]:
        """Return the planners of the policies that a caller may use, by name."""
        return [self._planners[name] for name in caller.usable(self._planners)]

    async def create(self, caller: Principal, policy: str | None, request: UploadRequest) -> Grant:
        """Plan, sign and seal an upload. Talks to nobody: signing is local.

        Raises:
            UploadsvcError: The policy is unknown or does not allow it.
        """
        planner = self._planner(caller, policy)
        jti = uuid4().hex
        today = self._now().date()
        plan = planner.plan(request, user=caller.user, jti=jti, unique=str(uuid4()), today=today)
        credentials = await self._storage.credentials()
        # Only now: the first credentials of all may have been waited for.
        now = self._now()
        expires_at = end_of_life(credentials, now=now, expires_in=plan.expires_in)
        if plan.method == "put":
            fields: Mapping[str, str] = {}
            url = self._signer.url(
                "PUT", plan.key, credentials=credentials, now=now, expires_at=expires_at, headers=plan.headers
            )
        else:
            url = self._signer.endpoint.base_url
            fields = self._signer.form(
                plan.fields,
                credentials=credentials,
                now=now,
                expires_at=expires_at,
                size_range=(plan.min_size, plan.max_size),
            )
        upload_expires_at = max(now + UPLOAD_LIFETIME, expires_at)
        handle = Handle(
            jti=jti,
            policy=planner.policy.name,
            bucket=self._signer.bucket,
            key=plan.key,
            method=plan.method,
            min_size=plan.min_size,
            max_size=plan.max_size,
            content_type=plan.content_type,
            checksum=plan.checksum,
            marked=plan.marked,
            replaceable_until=int(expires_at.timestamp()) if plan.replaceable else 0,
            expires_at=int(upload_expires_at.timestamp()),
        )
        return Grant(
            id=self._ids.seal(handle),
            plan=plan,
            bucket=self._signer.bucket,
            url=url,
            fields=fields,
            expires_at=expires_at,
            upload_expires_at=upload_expires_at,
        )

    async def bare_url(self, caller: Principal, policy: str | None, request: UploadRequest) -> str:
        """Return a presigned PUT that needs no header but those of what the request names.

        Raises:
            UploadsvcError: The policy restricts what the request leaves open, or sets what a bare URL
                cannot carry.
        """
        planner = self._planner(caller, policy)
        today = self._now().date()
        key, headers = planner.plan_bare(request, user=caller.user, unique=str(uuid4()), today=today)
        credentials = await self._storage.credentials()
        now = self._now()
        expires_at = end_of_life(credentials, now=now, expires_in=planner.policy.expires_in)
        return self._signer.url(
            "PUT", key, credentials=credentials, now=now, expires_at=expires_at, headers=headers
        )

    async def status(self, caller: Principal, upload_id: str) -> State:
        """Ask S3 whether the object is there.

        Raises:
            UploadsvcError: No such upload of the caller's, it expired, or S3 does not answer.
        """
        handle = self._open(caller, upload_id)
        return State(handle=handle, stored=await self._landed(handle))

    async def complete(self, caller: Principal, upload_id: str) -> Completion:
        """Compare what landed with what was promised, and sign a receipt. Safe to repeat.

        Raises:
            UploadIncomplete: Nothing has landed yet.
            VerificationFailed: Something else landed.
            UploadsvcError: As for `status`.
        """
        handle = self._open(caller, upload_id)
        stored = await self._landed(handle)
        if stored is None:
            detail = "S3 does not have this upload's bytes yet; send them, then complete again."
            raise errors.UploadIncomplete(detail)
        checksum = _verify(handle, stored, guessed_types=self._guessed_types)
        now = self._now()
        claims = {
            "bucket": stored.bucket,
            "key": stored.key,
            "size": stored.size,
            "content_type": stored.content_type,
            "etag": stored.etag,
            "version_id": stored.version_id,
            "checksum": {"algorithm": checksum.algorithm, "value": checksum.value} if checksum else None,
            "policy": handle.policy,
        }
        live = handle.replaceable_until > now.timestamp()
        return Completion(
            stored=stored,
            checksum=checksum,
            receipt=self._receipts.sign(claims, user=caller.user, jti=handle.jti, now=now),
            replaceable_until=datetime.fromtimestamp(handle.replaceable_until, UTC) if live else None,
        )

    async def delete(self, caller: Principal, upload_id: str) -> None:
        """Give an upload up: delete what it stored, where callers may delete. Twice is fine.

        Raises:
            Forbidden: Something is stored, and callers may not delete.
            UploadsvcError: As for `status`.
        """
        handle = self._open(caller, upload_id)
        if await self._landed(handle) is None:
            return
        if not self._may_delete:
            detail = "The object is stored, and this service does not let callers delete objects."
            raise errors.Forbidden(detail)
        await self._storage.delete(handle.key)

    def _planner(self, caller: Principal, policy: str | None) -> Planner:
        name = policy or DEFAULT_POLICY
        planner = self._planners.get(name)
        if planner is None:
            detail = f"There is no such policy; yours: {', '.join(caller.usable(self._planners)) or 'none'}."
            raise errors.PolicyNotFound(detail, field="policy")
        caller.check_policy(name)
        return planner

    def _open(self, caller: Principal, upload_id: str) -> Handle:
        handle = self._ids.open(upload_id)
        mine = handle.key.startswith(self._namespace.user_prefix(caller.user))
        if not mine or handle.bucket != self._storage.bucket:
            # The same words as for an id that nobody sealed.
            detail = "There is no such upload."
            raise errors.NotFound(detail)
        caller.check_policy(handle.policy)
        if handle.expires_at <= self._now().timestamp():
            detail = "This upload's id has expired; create a new upload."
            raise errors.UploadExpired(detail)
        return handle

    async def _landed(self, handle: Handle) -> StoredObject | None:
        stored = await self._storage.head(handle.key)
        if stored is not None and stored.upload != (handle.jti if handle.marked else None):
            # Another upload's object under the same key, older or by another policy: it proves nothing.
            return None
        return stored

    def _now(self) -> datetime:
        return self._clock().replace(microsecond=0)


def _verify(handle: Handle, stored: StoredObject, *, guessed_types: AbstractSet[str]) -> Checksum | None:
    if not handle.min_size <= stored.size <= handle.max_size:
        promised = (
            str(handle.min_size)
            if handle.min_size == handle.max_size
            else f"{handle.min_size} to {handle.max_size}"
        )
        detail = f"S3 holds {stored.size} bytes; promised were {promised}."
        raise errors.VerificationFailed(detail, field="size")
    promised_type = _folded(handle.content_type)
    stored_type = _folded(stored.content_type)
    # What a store may guess is not what nobody may upload: a guess that a browser would run does not count.
    as_promised = stored_type == promised_type or (
        promised_type in guessed_types and not media_types.is_active(stored_type)
    )
    if not as_promised:
        detail = "S3 holds another content type than was promised."
        raise errors.VerificationFailed(detail, field="content_type")
    if handle.checksum is None:
        return next(iter(stored.checksums), None)
    for checksum in stored.checksums:
        if checksum.algorithm == handle.checksum.algorithm:
            if checksum != handle.checksum:
                detail = f"S3 holds bytes with another {checksum.algorithm} than was promised."
                raise errors.VerificationFailed(detail, field="checksum")
            return checksum
    # The store checked it on arrival (it was signed) and does not keep it: nothing to confirm now.
    return None


def _folded(media_type: str) -> str:
    return "".join(media_type.split()).lower()
