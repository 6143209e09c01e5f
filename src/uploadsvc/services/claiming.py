"""Claim uploads: remove the tag of objects that S3 is to delete."""

from collections.abc import Callable
from datetime import datetime

from uploadsvc.domain import errors
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.objects import StoredObject
from uploadsvc.domain.principal import Principal
from uploadsvc.domain.unclaimed import TAG, UNCLAIMED
from uploadsvc.s3.storage import Storage
from uploadsvc.s3.tagging import StoredTags
from uploadsvc.services.assembly import in_time
from uploadsvc.services.policies import PolicyRegistry
from uploadsvc.tokens.receipts import Receipts
from uploadsvc.tokens.signed_ids import UploadClaims


class Claimer:
    """Claims the objects of uploads. All claims are idempotent.

    Args:
        policies: Policies of the service.
        namespace: The key prefix.
        storage: The bucket.
        tags: Tags of its objects; ``None`` if the store does not support them.
        receipts: Verifies receipts.
        clock: Returns the current time, aware.
    """

    def __init__(
        self,
        *,
        policies: PolicyRegistry,
        namespace: Namespace,
        storage: Storage,
        tags: StoredTags | None,
        receipts: Receipts,
        clock: Callable[[], datetime],
    ) -> None:
        self._policies = policies
        self._namespace = namespace
        self._storage = storage
        self._tags = tags
        self._receipts = receipts
        self._clock = clock

    async def completed(self, claims: UploadClaims, stored: StoredObject) -> None:
        """Claim the object of a verified upload, if its policy claims on completion.

        Raises:
            UploadIncomplete: The object was deleted meanwhile.
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        planner = self._policies.get(claims.policy)
        if planner is None:
            # The policy is gone, but the bucket's rule may still delete its unclaimed objects.
            wanted = self._policies.marks_unclaimed
        else:
            policy = planner.policy
            wanted = policy.unclaimed_expires_in is not None and policy.claim == "complete"
        if wanted and not await self._unmark(stored):
            detail = "The object was deleted while its upload was completed; send the bytes again."
            raise errors.UploadIncomplete(detail)

    async def claim(self, caller: Principal, *, receipt: str | None, key: str | None) -> StoredObject:
        """Claim an object for the operator's backend, by its receipt or key.

        Args:
            caller: A service. With ``key``, it must name the user.
            receipt: A receipt of this service, not expired.
            key: Full object key.

        Raises:
            Forbidden: The caller is not a service, or cannot use the policy.
            ValidationFailed: Not exactly one of receipt and key is given, the receipt is not valid, or the
                key comes without its user.
            NotFound: There is no such object, or it belongs to another user.
            VerificationFailed: The object has been replaced since the receipt was signed.
            UploadsvcError: The key is malformed, or S3 denies, fails or does not answer.
        """
        if caller.kind != "service":
            detail = "Only an API key may claim objects."
            raise errors.Forbidden(detail)
        if receipt is not None and key is None:
            return await self._by_receipt(caller, receipt)
        if key is not None and receipt is None:
            return await self._by_key(caller, key)
        detail = "Give either receipt or key."
        raise errors.ValidationFailed(detail, field="receipt")

    async def _by_receipt(self, caller: Principal, receipt: str) -> StoredObject:
        facts = self._receipts.verify(receipt, now=self._clock())
        user, key = facts["sub"], facts["key"]
        if caller.user not in {"", user} or facts["bucket"] != self._storage.bucket:
            raise _no_such_object()
        caller.check_policy(facts["policy"], field="receipt")
        # The prefix may have changed since.
        key = self._namespace.owned_key(user, key)
        async with in_time():
            stored = await self._storage.head(key, version_id=facts.get("version_id"))
            if stored is None:
                raise _no_such_object()
            if (stored.etag, stored.size) != (facts["etag"], facts["size"]):
                detail = "The object has been replaced since the receipt was signed."
                raise errors.VerificationFailed(detail, field="receipt")
            return await self._claimed(stored)

    async def _by_key(self, caller: Principal, key: str) -> StoredObject:
        if not caller.user:
            detail = "With a key, X-On-Behalf-Of names its user; or send a receipt, which names its own."
            raise errors.ValidationFailed(detail, field="X-On-Behalf-Of")
        # An object does not record its policy.
        caller.check_objects()
        key = self._namespace.stored_key(caller.user, key)
        async with in_time():
            stored = await self._storage.head(key)
            if stored is None:
                raise _no_such_object()
            return await self._claimed(stored)

    async def _claimed(self, stored: StoredObject) -> StoredObject:
        if not await self._unmark(stored):
            raise _no_such_object()
        return stored

    async def _unmark(self, stored: StoredObject) -> bool:
        """Remove the tag; return whether the object still exists.

        In a bucket without versions, an object that replaces this one at the same moment may lose its tag
        instead. It is then kept without a claim, which costs storage but loses no data.
        """
        if self._tags is None:
            return True
        return await self._tags.remove(stored.key, TAG, UNCLAIMED, version_id=stored.version_id)


def _no_such_object() -> errors.NotFound:
    return errors.NotFound("There is no such object.")
