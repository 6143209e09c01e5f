"""Object tags."""

from typing import TYPE_CHECKING, Any, Final

from uploadsvc.s3.errors import MISSING, RefusedError
from uploadsvc.s3.storage import Storage

if TYPE_CHECKING:
    from types_aiobotocore_s3.type_defs import TagTypeDef

_GONE: Final = MISSING | {"NoSuchVersion"}
_NO_TAGS: Final = frozenset({"NoSuchTagSet", "NoSuchTagSetError"})
"""Error codes of stores that do not return an empty list; `StoredTags` handles both."""


class StoredTags:
    """Tags of the objects in one bucket.

    Args:
        storage: The bucket.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def remove(self, key: str, name: str, value: str, *, version_id: str | None) -> bool:
        """Remove a tag if it has this value. Other tags stay. Idempotent.

        Args:
            key: Key of the object.
            name: Name of the tag.
            value: Its value.
            version_id: Version of the object; ``None`` for the latest.

        Returns:
            Whether the object exists.

        Raises:
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        named = self._named(key, version_id)
        try:
            tags = await self._read(named)
            # S3 replaces all tags at once, unconditionally. A tag that another program, such as a scanner,
            # sets between these two calls is lost.
            kept = [tag for tag in tags if (tag["Key"], tag["Value"]) != (name, value)]
            if len(kept) < len(tags):
                await self._write(named, kept)
        except RefusedError as error:
            if error.request_id is None:
                # Any web server can send a 404.
                await self._storage.check()
            return False
        return True

    async def has(self, key: str, name: str, value: str, *, version_id: str | None) -> bool:
        """Return whether an object has a tag with this value.

        Raises:
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        try:
            tags = await self._read(self._named(key, version_id))
        except RefusedError:
            return False
        return any((tag["Key"], tag["Value"]) == (name, value) for tag in tags)

    def _named(self, key: str, version_id: str | None) -> dict[str, Any]:
        version = {} if version_id is None else {"VersionId": version_id}
        return {"Bucket": self._storage.bucket, "Key": key, **version}

    async def _read(self, named: dict[str, Any]) -> list["TagTypeDef"]:
        try:
            async with self._storage.call("get_object_tagging", expected=_GONE | _NO_TAGS):
                return (await self._storage.client.get_object_tagging(**named))["TagSet"]
        except RefusedError as error:
            if error.code in _NO_TAGS:
                return []
            raise

    async def _write(self, named: dict[str, Any], tags: list["TagTypeDef"]) -> None:
        client = self._storage.client
        if tags:
            async with self._storage.call("put_object_tagging", expected=_GONE):
                await client.put_object_tagging(**named, Tagging={"TagSet": tags})
        else:
            async with self._storage.call("delete_object_tagging", expected=_GONE):
                await client.delete_object_tagging(**named)
