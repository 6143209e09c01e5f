"""Calls for stored objects and upload tokens."""

import errno
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeVar
from uuid import uuid4

import httpx

from uploadsvc.client import answers
from uploadsvc.client.api import UNUSABLE, given
from uploadsvc.client.download import Receiver
from uploadsvc.client.errors import Transient, UploadsvcError, unexpected_answer
from uploadsvc.client.models import ListedObject, StoredObject, Token, UserObject
from uploadsvc.client.session import Session

T = TypeVar("T")

_MOST_KEYS: Final = 1000
"""Keys that the service deletes with one call."""

_MAX_STARTS: Final = 10
"""Starts of a download whose object is replaced each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPage:
    """A page of a listing, and the cursor of the next page; ``None`` on the last one."""

    objects: Sequence[ListedObject]
    cursor: str | None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "ObjectPage":
        """Parse the page in a response.

        Raises:
            ValueError, KeyError, TypeError: The response is malformed.
        """
        cursor = body["cursor"]
        return cls(
            objects=[ListedObject.read(one) for one in body["objects"]],
            cursor=None if cursor is None else answers.text(cursor),
        )


class AsyncObjects:
    """The user's stored objects, as ``client.objects``."""

    def __init__(self, session: Session) -> None:
        self._api = session.api
        self._transfer = session.transfer

    async def page(
        self, *, prefix: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> ObjectPage:
        """Get a page of objects.

        Args:
            prefix: Prefix of the keys, below the user's own prefix.
            cursor: Cursor of the previous page.
            limit: Maximum number of objects.

        Raises:
            UploadsvcError: The service refuses or cannot be reached.
        """
        query = given(prefix=prefix, cursor=cursor, limit=limit)
        return _read(await self._api.call("GET", "/v1/objects", query=query), ObjectPage.read)

    async def list(self, *, prefix: str | None = None) -> AsyncIterator[ListedObject]:
        """Iterate over all objects, page by page.

        Args:
            prefix: Prefix of the keys, below the user's own prefix.

        Raises:
            UploadsvcError: The service refuses or cannot be reached.
        """
        cursor: str | None = None
        while True:
            page = await self.page(prefix=prefix, cursor=cursor)
            for one in page.objects:
                yield one
            cursor = page.cursor
            if cursor is None:
                return

    async def get(self, key: str) -> StoredObject:
        """Get the properties of an object.

        Args:
            key: Full key.

        Raises:
            UploadsvcError: ``not_found``, or the service refuses or cannot be reached.
        """
        return _read(await self._api.call("GET", "/v1/object", query={"key": key}), StoredObject.read)

    async def delete(self, key: str) -> None:
        """Delete an object, if the service allows that.

        Args:
            key: Full key.

        Raises:
            UploadsvcError: The service refuses or cannot be reached.
        """
        await self._api.call("DELETE", "/v1/object", query={"key": key})

    async def delete_many(self, keys: Iterable[str]) -> Mapping[str, UploadsvcError]:
        """Delete objects, 1,000 with each call, and return the errors by key.

        Args:
            keys: Full keys.

        Raises:
            TypeError: ``keys`` is a single key.
            UploadsvcError: The service refuses a whole call or cannot be reached.
        """
        if isinstance(keys, (str, bytes)):
            # Its characters would be taken for keys.
            message = "give several keys, such as a list; delete() deletes one"
            raise TypeError(message)
        failed: dict[str, UploadsvcError] = {}
        remaining = iter(dict.fromkeys(keys))
        while some := list(islice(remaining, _MOST_KEYS)):
            answer = await self._api.call("POST", "/v1/objects/delete", {"keys": some})
            failed |= _read(answer, _failures)
        return failed

    async def list_all_users(self, *, prefix: str | None = None) -> AsyncIterator[UserObject]:
        """Iterate over the objects of all users. Only for services whose API key has ``all_users``.

        Args:
            prefix: Beginning of the keys, below the service's prefix: ``alice/`` for one user.

        Raises:
            UploadsvcError: The service refuses or cannot be reached.
        """
        cursor: str | None = None
        while True:
            page, cursor = await self.page_of_all_users(prefix=prefix, cursor=cursor)
            for one in page:
                yield one
            if cursor is None:
                return

    async def page_of_all_users(
        self, *, prefix: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> tuple[Sequence[UserObject], str | None]:
        """Return one page of the objects of all users, and the cursor of the next one; ``None`` on the last.

        Args:
            prefix: Beginning of the keys, below the service's prefix.
            cursor: Cursor of the previous page.
            limit: Maximum number of objects.

        Raises:
            UploadsvcError: The service refuses or cannot be reached.
        """
        query = given(prefix=prefix, cursor=cursor, limit=limit)
        return _read(await self._api.call("GET", "/v1/objects/all", query=query), _all_users)

    async def download_url(
        self,
        key: str,
        *,
        filename: str | None = None,
        disposition: Literal["attachment", "inline"] | None = None,
        expires_in: int | None = None,
    ) -> str:
        """Get a presigned download URL. It is a credential, so do not log it.

        Args:
            key: Full key.
            filename: Name of the saved file; by default the last segment of the key.
            disposition: ``attachment``, the default, to save the file, or ``inline`` to show it in the
                browser.
            expires_in: Lifetime of the URL in seconds.

        Raises:
            UploadsvcError: The service refuses or cannot be reached.
        """
        body = given(key=key, filename=filename, disposition=disposition, expires_in=expires_in)
        answer = await self._api.call("POST", "/v1/downloads", body)
        return _read(answer, lambda found: answers.web_url(found["url"]))

    async def download(self, key: str, to: str | os.PathLike[str] | IO[bytes]) -> int:
        """Download an object and return its size in bytes.

        Args:
            key: Full key.
            to: Path of a regular file, replaced once the whole object has arrived, or a seekable binary file.

        Raises:
            UploadsvcError: The object cannot be downloaded.
            OSError: The file cannot be written.
        """
        with _target(to) as file:
            receiver = Receiver(file)
            for left in reversed(range(_MAX_STARTS)):
                try:
                    await self.receive(key, receiver)
                except UploadsvcError as problem:
                    if problem.code != "object_changed" or not left:
                        raise
                    receiver.start_over()
                else:
                    break
            return receiver.done

    async def receive(self, key: str, receiver: Receiver) -> None:
        """Download the bytes that a receiver lacks. Resumes after dropped connections and short responses.

        Args:
            key: Full key.
            receiver: Takes the bytes.

        Raises:
            UploadsvcError: The object cannot be downloaded; ``object_changed`` if it was replaced meanwhile.
            OSError: The file cannot be written.
        """
        attempts = self._api.retries.start()
        while True:
            before = receiver.done
            url = await self.download_url(key)
            problem: Transient | None
            try:
                async with self._transfer.slots:
                    await self._transfer.get(url, receiver)
            except Transient as broken:
                problem = broken
            else:
                if receiver.size is None:
                    # A response without a length looks whole wherever it ends.
                    receiver.size = (await self.get(key)).size
                problem = receiver.shortfall()
            if problem is None:
                return
            if receiver.done > before and receiver.can_go_on():
                # A long download may break off any number of times.
                attempts = self._api.retries.start()
            await attempts.failed(problem)
            if not receiver.can_go_on():
                receiver.start_over()


class AsyncTokens:
    """Upload tokens, as ``client.tokens``."""

    def __init__(self, session: Session) -> None:
        self._api = session.api

    async def create(
        self,
        *,
        user: str | None = None,
        policies: Sequence[str] | None = None,
        expires_in: int | None = None,
    ) -> Token:
        """Create a token for uploads from a browser or a device.

        Args:
            user: User of the token; only API keys can name another user.
            policies: Policies that the token can use; by default all of the caller's.
            expires_in: Lifetime in seconds.

        Raises:
            UploadsvcError: The service refuses or cannot be reached.
        """
        named = None if policies is None else [*policies]
        body = given(user=user, policies=named, expires_in=expires_in)
        return _read(await self._api.call("POST", "/v1/tokens", body), Token.read)


def _failures(body: Mapping[str, Any]) -> dict[str, UploadsvcError]:
    found = {}
    for one in body["results"]:
        if (problem := one.get("problem")) is not None:
            code, detail = answers.text(problem["code"]), answers.text(problem["detail"])
            found[answers.text(one["key"])] = UploadsvcError(
                code, detail, status=answers.number(problem["status"])
            )
    return found


def _all_users(body: Mapping[str, Any]) -> tuple[Sequence[UserObject], str | None]:
    cursor = body["cursor"]
    listed = [UserObject.read(one) for one in body["objects"]]
    return listed, None if cursor is None else answers.text(cursor)


def _read(answer: httpx.Response, read: Callable[[dict[str, Any]], T]) -> T:
    try:
        return read(answers.json_object(answer))
    except UNUSABLE as error:
        raise unexpected_answer(error) from None


@contextmanager
def _target(to: str | os.PathLike[str] | IO[bytes]) -> Iterator[IO[bytes]]:
    if not isinstance(to, (str, os.PathLike)):
        yield to
        return
    path = Path(to)
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, "Not a regular file", str(path))
    # In the same directory, so that it can be renamed; opened normally, so that it has the usual permissions.
    partial = path.with_name(f".download-{uuid4().hex}")
    try:
        with partial.open("xb") as file:
            yield file
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
