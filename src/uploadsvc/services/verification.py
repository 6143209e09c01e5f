"""Verify a stored object, find out how long it can be replaced, and sign a receipt."""

from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from uploadsvc.domain import media_types
from uploadsvc.domain.checksums import Checksum
from uploadsvc.domain.errors import VerificationFailed
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.objects import StoredObject
from uploadsvc.domain.policy import Policy
from uploadsvc.services.inspection import Inspector
from uploadsvc.services.policies import PolicyRegistry
from uploadsvc.tokens.receipts import Receipts
from uploadsvc.tokens.signed_ids import UploadClaims

NO_END: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The object can be replaced at any time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A verified upload.

    Attributes:
        stored: The object in S3.
        checksum: Checksum that S3 confirms, if any.
        receipt: Signed receipt.
        receipt_id: Its ``jti``.
        replaceable_until: Time until which callers could replace the bytes; ``None`` if they cannot.
    """

    stored: StoredObject
    checksum: Checksum | None
    receipt: str
    receipt_id: str
    replaceable_until: datetime | None


class Verifier:
    """Verifies stored objects and signs receipts for them.

    Args:
        policies: Policies of the service.
        namespace: The key prefix.
        receipts: Signs receipts.
        inspector: Inspects objects.
        keeps_octet_stream: Whether the store keeps ``application/octet-stream`` instead of guessing a type
            from the key.
        may_delete: Whether callers may delete stored objects.
        may_write: Whether callers may get S3 credentials for their prefix.
    """

    def __init__(
        self,
        *,
        policies: PolicyRegistry,
        namespace: Namespace,
        receipts: Receipts,
        inspector: Inspector,
        keeps_octet_stream: bool,
        may_delete: bool,
        may_write: bool,
    ) -> None:
        self._policies = policies
        self._namespace = namespace
        self._receipts = receipts
        self._inspector = inspector
        self._guessed_types = frozenset() if keeps_octet_stream else frozenset({media_types.DEFAULT})
        self._may_delete = may_delete
        self._may_write = may_write

    async def complete(
        self, claims: UploadClaims, stored: StoredObject, *, user: str, now: datetime
    ) -> Completion:
        """Compare an object with its upload and sign a receipt.

        Args:
            claims: The upload.
            stored: The stored object.
            user: Owner of the upload.
            now: The current time, aware, in whole seconds.

        Raises:
            VerificationFailed: The object differs; the error names the field.
            ContentMismatch: Its first bytes are those of another format.
            UploadsvcError: As for `Inspector.inspect`.
        """
        checksum = verify(claims, stored, guessed_types=self._guessed_types, may_write=self._may_write)
        inspected = await self._inspector.inspect(claims, stored)
        planner = self._policies.get(claims.policy)
        replaceable = replaceable_until(
            claims,
            policy=planner.policy if planner else None,
            key=claims.key.removeprefix(self._namespace.user_prefix(user)),
            may_delete=self._may_delete,
            may_write=self._may_write,
            now=now,
        )
        facts = {
            "bucket": stored.bucket,
            "key": stored.key,
            "size": stored.size,
            "content_type": stored.content_type,
            "etag": stored.etag,
            "version_id": stored.version_id,
            "checksum": {"algorithm": checksum.algorithm, "value": checksum.value} if checksum else None,
            "policy": claims.policy,
            "replaceable_until": replaceable and int(replaceable.timestamp()),
            **inspected,
        }
        jti = receipt_id(claims, stored)
        return Completion(
            stored=stored,
            checksum=checksum,
            receipt=self._receipts.sign(facts, user=user, jti=jti, now=now),
            receipt_id=jti,
            replaceable_until=replaceable,
        )


def verify(
    claims: UploadClaims, stored: StoredObject, *, guessed_types: AbstractSet[str], may_write: bool = False
) -> Checksum | None:
    """Check size, type, encoding and checksum. Returns the checksum that S3 confirms, if any.

    Args:
        claims: The upload.
        stored: The stored object.
        guessed_types: Media types that the store replaces by a guess.
        may_write: Whether callers may get S3 credentials for their prefix.

    Raises:
        VerificationFailed: The object differs; the error names the field.
    """
    if not claims.min_size <= stored.size <= claims.max_size:
        fixed = claims.min_size == claims.max_size
        allowed = str(claims.max_size) if fixed else f"{claims.min_size} to {claims.max_size}"
        detail = f"S3 has {stored.size} bytes; this upload allows {allowed}."
        raise VerificationFailed(detail, field="size")
    signed_type, stored_type = _folded(claims.content_type), _folded(stored.content_type)
    # If the request named no type, or the store guesses it, any type that browsers do not run is accepted.
    is_open = not signed_type or signed_type in guessed_types
    if stored_type != signed_type and not (is_open and not media_types.is_active(stored_type)):
        detail = "S3 has a different content type than the upload was created with."
        raise VerificationFailed(detail, field="content_type")
    # Not every store returns it. S3 also keeps a checksum that a client sent unsigned.
    stored_encoding = stored.content_encoding or claims.content_encoding
    if stored_encoding.lower() != claims.content_encoding:
        detail = "S3 has a different content encoding than the upload was created with."
        raise VerificationFailed(detail, field="content_encoding")
    if claims.checksum is None:
        return next(iter(stored.checksums), None)
    for checksum in stored.checksums:
        if checksum.algorithm == claims.checksum.algorithm:
            if checksum.digest != claims.checksum.digest:
                detail = f"S3 has a different {checksum.algorithm} than the upload was created with."
                raise VerificationFailed(detail, field="checksum")
            return checksum
    if may_write and stored.checksums:
        # The bytes were sent with S3 credentials, which promise nothing, and with the metadata of an upload.
        detail = f"S3 has no {claims.checksum.algorithm}, with which the upload was created."
        raise VerificationFailed(detail, field="checksum")
    # The store does not keep checksums. It compared this one on arrival, because it was signed.
    return None


def replaceable_until(
    claims: UploadClaims, *, policy: Policy | None, key: str, may_delete: bool, may_write: bool, now: datetime
) -> datetime | None:
    """Return the time until which a caller could replace the object's bytes.

    A caller can use a URL of the upload itself, or another upload with the same key. If S3 refuses to
    overwrite, the object has to be deleted first.

    Args:
        claims: The upload.
        policy: Its policy; ``None`` if it was removed from the settings.
        key: Its key below the user's prefix.
        may_delete: Whether callers may delete stored objects.
        may_write: Whether callers may get S3 credentials for their prefix.
        now: The current time, aware.

    Returns:
        The time; `NO_END` if another upload can have the key at any time; ``None`` if it cannot be replaced.
    """
    if may_write or policy is None:
        return NO_END
    key_is_new = not claims.tags_object or (
        claims.method == "multipart" and policy.key.unique_name(key, policy=policy.name) is not None
    )
    if (not key_is_new or policy.own_keys_replaced) and (policy.overwrite or may_delete):
        return NO_END
    # S3 forgets a multipart upload once it is complete, so the URLs of its parts no longer work.
    if claims.method == "multipart" or (claims.no_overwrite and not may_delete):
        return None
    # Earlier releases put no time into the ids of PUTs that must not overwrite.
    end = datetime.fromtimestamp(claims.url_expires_at or claims.expires_at, UTC)
    return end if end > now else None


def receipt_id(claims: UploadClaims, stored: StoredObject) -> str:
    """Return the id of a receipt: the same for the same upload and bytes."""
    facts = [claims.upload_uuid, stored.etag, stored.version_id or ""]
    facts += [f"{one.algorithm}={one.value}" for one in stored.checksums]
    return sha256("\n".join(facts).encode()).hexdigest()[:32]


def _folded(media_type: str) -> str:
    # A store may return a malformed media type.
    with suppress(ValueError):
        media_type = media_types.parse(media_type)
    return "".join(media_type.split()).lower()
