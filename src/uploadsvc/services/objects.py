"""The use cases of stored objects: list, look, delete, download."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from uploadsvc.domain import errors
from uploadsvc.domain.disposition import content_disposition
from uploadsvc.domain.keys import MAX_KEY_BYTES, Namespace
from uploadsvc.domain.objects import ListedObject, StoredObject
from uploadsvc.domain.policy import Disposition
from uploadsvc.domain.principal import Principal
from uploadsvc.s3.presigner import Presigner
from uploadsvc.s3.storage import Storage
from uploadsvc.services.cursors import decode_cursor, encode_cursor, is_listed_key, malformed_cursor

MAX_LISTED = 1000
"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html"""

# XML 1.0 cannot carry these, and a listing that starts behind one comes back as XML.


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of the caller's objects; ``cursor`` asks for the next ones and is ``None`` at the end."""

    objects: Sequence[ListedObject]
    cursor: str | None


class Objects:
    """What lies under the callers' own prefixes.

    Args:
        namespace: The key prefix.
        presigner: For download URLs.
        storage: The bucket.
        may_delete: Whether callers may delete their own objects.
        download_expires_in: How long a download URL lives when a request does not say, in seconds.
        max_download_expires_in: The most that a request may ask for, in seconds.
        clock: The time now, aware.
    """

    def __init__(
        self,
        *,
        namespace: Namespace,
        presigner: Presigner,
        storage: Storage,
        may_delete: bool,
        download_expires_in: int,
        max_download_expires_in: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._namespace = namespace
        self._presigner = presigner
        self._storage = storage
        self._may_delete = may_delete
        self._expires_in = download_expires_in
        self._max_expires_in = max_download_expires_in
        self._clock = clock

    async def list_page(self, caller: Principal, *, prefix: str, cursor: str | None, limit: int) -> Page:
        """List the caller's objects in the order of their keys.

        Args:
            caller: Whose.
            prefix: Below the caller's own; may end anywhere in a name.
            cursor: From the page before.
            limit: At most so many, 1 to `MAX_LISTED`.

        Raises:
            Forbidden: The credential is good for uploads only.
            UploadsvcError: Prefix or cursor are malformed, or S3 does not answer.
        """
        caller.check_objects()
        own = self._namespace.user_prefix(caller.user)
        whole = self._namespace.listing_prefix(caller.user, prefix)
        after = own + _decode(cursor, max_bytes=MAX_KEY_BYTES - len(own.encode())) if cursor else ""
        listed, more = await self._storage.list_objects(prefix=whole, after=after, limit=limit)
        last = listed[-1].key.removeprefix(own) if listed and more else None
        return Page(objects=listed, cursor=last and encode_cursor(last))

    async def get(self, caller: Principal, key: str) -> StoredObject:
        """Return one object's facts.

        Raises:
            Forbidden: The credential is good for uploads only.
            NotFound: There is none, or it is somebody else's.
            UploadsvcError: The key is malformed, or S3 does not answer.
        """
        caller.check_objects()
        stored = await self._storage.head(self._namespace.owned_key(caller.user, key))
        if stored is None:
            detail = "There is no such object."
            raise errors.NotFound(detail)
        return stored

    async def delete(self, caller: Principal, key: str) -> None:
        """Delete one object; one that is not there is fine.

        Raises:
            Forbidden: This service does not let callers delete, or the credential is good for uploads only.
            NotFound: It is somebody else's.
            UploadsvcError: The key is malformed, or S3 does not answer.
        """
        caller.check_objects()
        key = self._namespace.owned_key(caller.user, key)
        if not self._may_delete:
            detail = "This service does not let callers delete objects."
            raise errors.Forbidden(detail)
        await self._storage.delete(key)

    async def download_url(
        self,
        caller: Principal,
        key: str,
        *,
        disposition: Disposition | None,
        filename: str | None,
        expires_in: int | None,
    ) -> tuple[str, datetime]:
        """Return a presigned GET and when it ends. Talks to nobody: S3 answers 404 where nothing is.

        Args:
            caller: Who asks.
            key: The whole key.
            disposition: ``attachment`` where it is left out, so that a browser runs nothing.
            filename: What a browser shall call it; by default the key's last segment.
            expires_in: In seconds; cut to the most that is allowed.

        Raises:
            Forbidden: The credential is good for uploads only.
            NotFound: It is somebody else's.
            UploadsvcError: The key is malformed, or there are no credentials to sign with.
        """
        caller.check_objects()
        key = self._namespace.owned_key(caller.user, key)
        asked = min(expires_in or self._expires_in, self._max_expires_in)
        batch = await self._presigner.start(expires_in=asked)
        header = content_disposition(disposition or "attachment", filename or key.rpartition("/")[2])
        url = batch.url("GET", key, query={"response-content-disposition": header})
        return url, batch.expires_at


def _decode(cursor: str, *, max_bytes: int) -> str:
    relative_key = decode_cursor(cursor)
    if not relative_key or not is_listed_key(relative_key, max_bytes=max_bytes):
        raise malformed_cursor()
    return relative_key
