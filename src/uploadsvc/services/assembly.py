"""Find the objects of uploads in S3, and assemble them from parts."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from uploadsvc.domain import errors
from uploadsvc.domain.objects import StoredObject
from uploadsvc.s3.errors import DEADLINE
from uploadsvc.s3.multipart import MultipartStorage
from uploadsvc.s3.storage import Storage
from uploadsvc.services.multipart import assemble
from uploadsvc.tokens.signed_ids import UploadClaims

RETRY_PAUSE: Final = 1.0
"""Seconds between two attempts of a completion that waits for S3."""


class UploadObjects:
    """Objects of uploads.

    Args:
        storage: The bucket.
        multipart: Multipart uploads of the bucket.
        keys_are_paths: Whether the store keeps keys as paths, so ``a`` and ``a/b`` exclude each other.
    """

    def __init__(self, *, storage: Storage, multipart: MultipartStorage, keys_are_paths: bool) -> None:
        self._storage = storage
        self._multipart = multipart
        self._keys_are_paths = keys_are_paths

    async def find(self, claims: UploadClaims) -> StoredObject | None:
        """Return the object of an upload, or ``None``.

        Raises:
            UploadsvcError: S3 denies the call or does not answer.
        """
        stored = await self._storage.head(claims.key)
        if stored is not None and stored.upload != (claims.upload_uuid if claims.tags_object else None):
            # The object with this key comes from another upload.
            return None
        return stored

    async def assembled(
        self,
        claims: UploadClaims,
        etags: Mapping[int, str] | None,
        *,
        wait: float,
        through_outages: bool,
    ) -> StoredObject:
        """Return the object of an upload. Assembles it first if it was sent in parts.

        Args:
            claims: The upload.
            etags: ETags that the caller received for its parts, by part number.
            wait: Seconds to keep trying while S3 is assembling the parts.
            through_outages: Keep trying that long while S3 does not answer, too.

        Raises:
            UploadIncomplete: Nothing has arrived yet, or not all parts.
            UploadAborted: The multipart upload was aborted.
            ObjectExists: The multipart upload may not replace the object that has the key.
            StillAssembling: S3 is still assembling the parts.
            UploadsvcError: S3 denies the call or does not answer.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while True:
            try:
                async with in_time():
                    return await self._assemble(claims, etags)
            except errors.StorageUnavailable as error:
                if not (through_outages or isinstance(error, errors.StillAssembling)):
                    raise
                if loop.time() + RETRY_PAUSE >= deadline:
                    raise
                await asyncio.sleep(RETRY_PAUSE)

    async def _assemble(self, claims: UploadClaims, etags: Mapping[int, str] | None) -> StoredObject:
        known, exists = True, None
        if claims.method == "multipart":
            try:
                known = await assemble(self._multipart, claims, etags)
            except errors.ObjectExists as error:
                # The object may be this upload's own, if an earlier response was lost.
                exists = error
        stored = await self.find(claims)
        if stored is not None:
            return stored
        if known and self._keys_are_paths and claims.tags_object:
            await self._check_path(claims.key)
        if exists is not None:
            raise exists
        if not known:
            detail = "This multipart upload was aborted, or S3 has removed its parts."
            raise errors.UploadAborted(detail)
        detail = "S3 does not have this upload's bytes yet; send them, then complete again."
        raise errors.UploadIncomplete(detail)

    async def _check_path(self, key: str) -> None:
        """Check that no other object excludes this key.

        Raises:
            ObjectExists: There are objects below the key, or the key is below another object.
        """
        below, _ = await self._storage.list_objects(prefix=f"{key}/", after="", limit=1)
        # The first two segments are the key prefix and the user.
        parents = [key[: match.start()] for match in re.finditer("/", key)][2:]
        heads = [] if below else await asyncio.gather(*map(self._storage.head, parents))
        if below or any(heads):
            detail = (
                "The store keeps keys as paths, so one object cannot be below another, as a/b is below a. "
                "Another object is in the way; choose another key."
            )
            raise errors.ObjectExists(detail)


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """Limit several calls to S3 to one deadline, so that callers get a response within five seconds."""
    try:
        async with asyncio.timeout(DEADLINE):
            yield
    except TimeoutError:
        detail = "The object store does not answer."
        raise errors.StorageUnavailable(detail) from None
