"""Stored objects: list, get, delete, download URLs."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from uploadsvc.domain import errors, media_types
from uploadsvc.domain.disposition import content_disposition
from uploadsvc.domain.keys import MAX_KEY_BYTES, Namespace, check_stored_key
from uploadsvc.domain.objects import ListedObject, StoredObject
from uploadsvc.domain.policy import Disposition
from uploadsvc.domain.principal import Principal
from uploadsvc.s3.deletion import delete_objects
from uploadsvc.s3.presigner import Presigner
from uploadsvc.s3.storage import Storage
from uploadsvc.services.cursors import decode_cursor, encode_cursor, malformed_cursor
from uploadsvc.services.inspection import Inspector
from uploadsvc.tokens.object_claims import ObjectClaims

if TYPE_CHECKING:
    from uploadsvc.limiting.rates import RateLimits

MAX_LISTED = 1000
"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html"""

MAX_DELETED = 1000
"""Keys of one request."""

_SLICE: Final = 100
"""Keys to check before other requests get their turn."""

SCAN_PAUSE: Final = 5
"""Seconds to wait before asking again for an object that has not been scanned. Scans take seconds or more."""

_PREFIX_ITSELF: Final = "\0"
"""Cursor of an object whose key is the caller's prefix itself, which some programs create as a folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a listing.

    Attributes:
        objects: The caller's objects.
        cursor: Cursor of the next page; ``None`` on the last one.
    """

    objects: Sequence[ListedObject]
    cursor: str | None


class Objects:
    """Objects under the caller's prefix.

    Args:
        namespace: The key prefix.
        presigner: Signs download URLs.
        storage: The bucket.
        object_claims: Verifies the claims that objects carry.
        inspector: Reads the tags that scanners set.
        may_delete: Whether callers may delete their objects.
        rates: Limits requests; ``None`` if there is no limit.
        download_expires_in: Default lifetime of a download URL, in seconds.
        max_download_expires_in: Maximum lifetime of a download URL, in seconds.
    """

    def __init__(
        self,
        *,
        namespace: Namespace,
        presigner: Presigner,
        storage: Storage,
        object_claims: ObjectClaims,
        inspector: Inspector,
        may_delete: bool,
        rates: "RateLimits | None" = None,
        download_expires_in: int,
        max_download_expires_in: int,
    ) -> None:
        self._namespace = namespace
        self._presigner = presigner
        self._storage = storage
        self._object_claims = object_claims
        self._inspector = inspector
        self._may_delete = may_delete
        self._rates = rates
        self._expires_in = download_expires_in
        self._max_expires_in = max_download_expires_in

    async def list_page(self, caller: Principal, *, prefix: str, cursor: str | None, limit: int) -> Page:
        """List the caller's objects in the order of their keys.

        Args:
            caller: The caller.
            prefix: Prefix below the caller's own. It may end within a name.
            cursor: Cursor of the previous page.
            limit: Maximum number of objects, 1 to `MAX_LISTED`.

        Raises:
            Forbidden: The credential allows uploads only.
            UploadsvcError: The prefix or the cursor is malformed, or S3 does not answer.
        """
        caller.check_objects()
        own_prefix = self._namespace.user_prefix(caller.user)
        after = ""
        if cursor:
            after = own_prefix + _decode(cursor, max_bytes=MAX_KEY_BYTES - len(own_prefix.encode()))
        listed, more = await self._storage.list_objects(
            prefix=self._namespace.listing_prefix(caller.user, prefix), after=after, limit=limit
        )
        last = listed[-1].key.removeprefix(own_prefix) if listed and more else None
        return Page(objects=listed, cursor=None if last is None else encode_cursor(last or _PREFIX_ITSELF))

    async def list_all(
        self, caller: Principal, *, prefix: str, cursor: str | None, limit: int
    ) -> tuple[list[tuple[str, ListedObject]], str | None]:
        """List the objects of all users in the order of their keys, each with its user.

        Args:
            caller: A service that the operator lets see all users.
            prefix: Prefix below the service's own, such as ``alice/``. It may end anywhere in a name.
            cursor: Cursor of the previous page.
            limit: Maximum number of objects, 1 to `MAX_LISTED`. Objects of no user are left out.

        Returns:
            The objects, and the cursor of the next page; ``None`` on the last one.

        Raises:
            Forbidden: The caller may not do this.
            UploadsvcError: The prefix or the cursor is malformed, or S3 does not answer.
        """
        caller.check_all_users()
        root = f"{self._namespace.key_prefix}/"
        whole = root + prefix
        if prefix:
            # With one more letter, a prefix is a key.
            check_stored_key(f"{whole}x", field="prefix")
        after = root + _decode(cursor, max_bytes=MAX_KEY_BYTES - len(root.encode())) if cursor else ""
        listed, more = await self._storage.list_objects(prefix=whole, after=after, limit=limit)
        found = [(user, one) for one in listed if (user := self._namespace.user_of(one.key)) is not None]
        last = listed[-1].key.removeprefix(root) if listed and more else None
        return found, None if last is None else encode_cursor(last or _PREFIX_ITSELF)

    async def get(self, caller: Principal, key: str) -> StoredObject:
        """Return the metadata of an object.

        Raises:
            Forbidden: The credential allows uploads only.
            NotFound: There is no such object, or it belongs to another user.
            UploadsvcError: The key is malformed, or S3 does not answer.
        """
        caller.check_objects()
        stored = await self._storage.head(self._namespace.stored_key(caller.user, key))
        if stored is None:
            detail = "There is no such object."
            raise errors.NotFound(detail)
        return stored

    async def delete(self, caller: Principal, key: str) -> None:
        """Delete an object. Does nothing if it does not exist.

        Raises:
            Forbidden: Callers may not delete, or the credential allows uploads only.
            NotFound: The object belongs to another user.
            UploadsvcError: The key is malformed, or S3 does not answer.
        """
        caller.check_objects()
        key = self._namespace.stored_key(caller.user, key)
        self._check_deletes()
        await self._storage.delete(key)

    async def delete_each(self, caller: Principal, keys: Sequence[str]) -> list[errors.UploadsvcError | None]:
        """Delete objects, each by the rules of `delete`; return the error of each, or ``None``.

        Each counts as one request.

        Args:
            caller: The caller.
            keys: Their keys, up to `MAX_DELETED`.

        Raises:
            Forbidden: Callers may not delete, or the credential is good for uploads only.
        """
        caller.check_objects()
        self._check_deletes()
        results: list[errors.UploadsvcError | None] = [None] * len(keys)
        if self._rates is not None:
            results = [*await self._rates.each_request(caller, len(keys))]
        wanted = []
        for index, key in enumerate(keys):
            if index % _SLICE == 0:
                # Let other requests run.
                await asyncio.sleep(0)
            if results[index] is None:
                try:
                    wanted.append(self._namespace.stored_key(caller.user, key))
                except errors.UploadsvcError as error:
                    results[index] = error
        failed = await delete_objects(self._storage, wanted)
        return [error or failed.get(key) for key, error in zip(keys, results, strict=True)]

    def _check_deletes(self) -> None:
        if not self._may_delete:
            detail = "This service does not let callers delete objects."
            raise errors.Forbidden(detail)

    async def download_url(
        self,
        caller: Principal,
        key: str,
        *,
        disposition: Disposition | None,
        filename: str | None,
        expires_in: int | None,
    ) -> tuple[str, datetime]:
        """Return a presigned GET and its end.

        For an attachment, S3 is not called, so the object may not exist. For ``inline``, the object's type is
        fetched and signed, so that browsers do not run a page that replaces it later. If a policy requires a
        scanner's tag, the object's tags are fetched, and the URL names their version, if any.

        Args:
            caller: The caller.
            key: Key of the object.
            disposition: ``attachment`` by default, so that a browser does not run the object.
            filename: Name for the browser to save it under; by default the last segment of the key.
            expires_in: Lifetime in seconds, cut to the maximum.

        Raises:
            Forbidden: The credential allows uploads only.
            NotFound: The object belongs to another user, or is requested inline and does not exist.
            ObjectUnavailable: The object lacks the tag that its policy requires.
            ContentTypeNotAllowed: The object is requested inline, and a browser would run it.
            UploadsvcError: The key is malformed, S3 does not answer, or there are no credentials.
        """
        caller.check_objects()
        key = self._namespace.stored_key(caller.user, key)
        header = content_disposition(disposition or "attachment", filename or key.rpartition("/")[2])
        query = {"response-content-disposition": header}
        if disposition == "inline" or self._inspector.waits:
            stored = await self.get(caller, key)
            if disposition == "inline":
                query["response-content-type"] = _passive_type(stored.content_type)
            if await self._check_available(stored) and stored.version_id is not None:
                query["versionId"] = stored.version_id
        lifetime = min(expires_in or self._expires_in, self._max_expires_in)
        batch = await self._presigner.start(expires_in=lifetime)
        return batch.url("GET", key, query=query), batch.expires_at

    async def _check_available(self, stored: StoredObject) -> bool:
        """Check that an object has the tags that it needs. Returns whether it needs any.

        Raises:
            ObjectUnavailable: It lacks one.
        """
        claims = stored.claims and self._object_claims.verify(
            stored.claims, bucket=stored.bucket, key=stored.key
        )
        for rule, value in await self._inspector.lacking(claims or None, stored):
            if value is not None:
                detail = (
                    f"The scanner has not released this object: its tag {rule.tag!r} is not {rule.value!r}."
                )
                raise errors.ObjectUnavailable(detail, retry_after=None)
            detail = f"The object waits for a scanner to set its tag {rule.tag!r} to {rule.value!r}."
            raise errors.ObjectUnavailable(detail, retry_after=SCAN_PAUSE)
        return bool(self._inspector.rules(claims or None))


def _passive_type(stored: str) -> str:
    try:
        media_type = media_types.parse(stored)
    except ValueError:
        # A browser would guess, and might guess a page.
        return media_types.DEFAULT
    if media_types.is_active(media_type):
        detail = (
            f"The object is {media_types.essence(media_type)}, which a browser would run; "
            "download it with disposition 'attachment'."
        )
        raise errors.ContentTypeNotAllowed(detail, field="disposition")
    return media_type


def _decode(cursor: str, *, max_bytes: int) -> str:
    relative_key = decode_cursor(cursor)
    if relative_key == _PREFIX_ITSELF:
        return ""
    # S3 lists keys percent-encoded on request, so a key can contain any other character.
    if not relative_key or "\0" in relative_key or len(relative_key.encode()) > max_bytes:
        raise malformed_cursor()
    return relative_key
