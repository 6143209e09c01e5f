"""`Client`: uploads and API calls for programs without asyncio."""

import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import IO, Any, Final, Literal, ParamSpec, Self, TypeVar

import httpx
from anyio import to_thread
from anyio.from_thread import BlockingPortal, start_blocking_portal

from uploadsvc.client.aio import GOODBYE, AsyncClient, OnProgress
from uploadsvc.client.api import Grant, SignedPart
from uploadsvc.client.auth import Secret
from uploadsvc.client.errors import UploadsvcError
from uploadsvc.client.models import ListedObject, Stored, StoredObject, Token, UploadState, UserObject
from uploadsvc.client.objects import AsyncObjects, AsyncTokens, ObjectPage
from uploadsvc.client.session import TIMEOUT
from uploadsvc.client.source import Source

P = ParamSpec("P")
T = TypeVar("T")

_CLEANUP: Final = GOODBYE + 1.0
"""Seconds to wait for a cancelled call."""


class _Worker:
    """A thread with an event loop, started by the first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._closed = False
        self._running: dict[Future[Any], threading.Event] = {}
        # Also at the exit of the program, which would wait for a thread that no longer runs.
        weakref.finalize(self, _abandon, self._stack)

    def call(self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an async function in the thread, and wait for its result.

        Ctrl-C cancels the function, which gets a moment to clean up.

        Raises:
            UploadsvcError: ``client_closed``: another thread has closed the client during the call.
            RuntimeError: The client is closed, or the call comes from its own thread (a callback).
        """
        ended = threading.Event()

        async def run() -> T:
            try:
                return await function(*args, **kwargs)
            finally:
                ended.set()

        # Without the lock too: `close` holds it while callbacks still run in the thread it waits for.
        self._check_open()
        with self._lock:
            self._check_open()
            future = self._started().start_task_soon(run)
            self._running[future] = ended
        try:
            return future.result()
        except CancelledError:
            ended.wait(_CLEANUP)
            code, detail = "client_closed", "The client was closed during the call."
            raise UploadsvcError(code, detail) from None
        except BaseException:
            if future.cancel():
                ended.wait(_CLEANUP)
            raise
        finally:
            del self._running[future]

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Cancel the calls of other threads, run a last function, and end the thread."""

        async def finish() -> None:
            running = self._running.copy()
            for future in running:
                future.cancel()
            for ended in running.values():
                await to_thread.run_sync(ended.wait, _CLEANUP)
            await last()

        with self._lock:
            self._closed = True
            if self._portal is not None:
                self._portal.start_task_soon(finish).result()
            self._portal = None
            self._stack.close()

    def _check_open(self) -> None:
        if self._closed:
            message = "the client is closed"
            raise RuntimeError(message)

    def _started(self) -> BlockingPortal:
        if self._portal is None:
            self._portal = self._stack.enter_context(start_blocking_portal("asyncio"))
        return self._portal


def _abandon(stack: ExitStack) -> None:
    """End the thread of a client that was not closed, and cancel its calls."""
    with suppress(SystemExit, RuntimeError):
        stack.__exit__(SystemExit, SystemExit(), None)


class Objects:
    """The user's stored objects, as ``client.objects``. `AsyncObjects` documents the methods."""

    def __init__(self, worker: _Worker, objects: AsyncObjects) -> None:
        self._call = worker.call
        self._objects = objects

    def page(
        self, *, prefix: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> ObjectPage:
        """Get a page of objects."""
        return self._call(self._objects.page, prefix=prefix, cursor=cursor, limit=limit)

    def list(self, *, prefix: str | None = None) -> Iterator[ListedObject]:
        """Iterate over all objects, page by page."""
        cursor: str | None = None
        while True:
            page = self.page(prefix=prefix, cursor=cursor)
            yield from page.objects
            cursor = page.cursor
            if cursor is None:
                return

    def get(self, key: str) -> StoredObject:
        """Get the properties of an object."""
        return self._call(self._objects.get, key)

    def delete(self, key: str) -> None:
        """Delete an object, if the service allows that."""
        self._call(self._objects.delete, key)

    def delete_many(self, keys: Iterable[str]) -> Mapping[str, UploadsvcError]:
        """Delete objects, and return the errors by key."""
        return self._call(self._objects.delete_many, keys)

    def list_all_users(self, *, prefix: str | None = None) -> Iterator[UserObject]:
        """Iterate over the objects of all users."""
        cursor: str | None = None
        while True:
            page, cursor = self._call(self._objects.page_of_all_users, prefix=prefix, cursor=cursor)
            yield from page
            if cursor is None:
                return

    def download_url(
        self,
        key: str,
        *,
        filename: str | None = None,
        disposition: Literal["attachment", "inline"] | None = None,
        expires_in: int | None = None,
    ) -> str:
        """Get a presigned download URL."""
        return self._call(
            self._objects.download_url,
            key,
            filename=filename,
            disposition=disposition,
            expires_in=expires_in,
        )

    def download(self, key: str, to: str | os.PathLike[str] | IO[bytes]) -> int:
        """Download an object and return its size in bytes."""
        return self._call(self._objects.download, key, to)


class Tokens:
    """Upload tokens, as ``client.tokens``. `AsyncTokens` documents the method."""

    def __init__(self, worker: _Worker, tokens: AsyncTokens) -> None:
        self._call = worker.call
        self._tokens = tokens

    def create(
        self,
        *,
        user: str | None = None,
        policies: Sequence[str] | None = None,
        expires_in: int | None = None,
    ) -> Token:
        """Create a token for uploads from a browser or a device."""
        return self._call(self._tokens.create, user=user, policies=policies, expires_in=expires_in)


class Client:
    """Synchronous client of uploadsvc.

    Methods and arguments are those of `AsyncClient`, which runs in a background thread. Threads can share a
    client. Used in a running event loop, it blocks that loop. ``on_progress`` is called in the background
    thread, and must not call the client. After a fork, create a new client.

    Use it as ``with Client(…) as client``, or call `close`.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Secret | None = None,
        api_key: Secret | None = None,
        on_behalf_of: str | None = None,
        timeout: float | httpx.Timeout = TIMEOUT,
        retries: int = 10,
        parallel: int = 4,
        state_dir: str | os.PathLike[str] | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._client = AsyncClient(
            url,
            token=token,
            api_key=api_key,
            on_behalf_of=on_behalf_of,
            timeout=timeout,
            retries=retries,
            parallel=parallel,
            state_dir=state_dir,
            http=http,
        )
        self._worker = _Worker()
        self.objects = Objects(self._worker, self._client.objects)
        """The user's stored objects."""
        self.tokens = Tokens(self._worker, self._client.tokens)
        """Upload tokens."""

    def __repr__(self) -> str:
        return repr(self._client).removeprefix("Async")

    def upload(
        self,
        source: Source,
        *,
        filename: str | None = None,
        content_type: str | None = None,
        policy: str | None = None,
        metadata: Mapping[str, str] | None = None,
        key: str | None = None,
        overwrite: bool | None = None,
        checksum: Literal["sha256", "crc32"] | None = None,
        on_progress: OnProgress | None = None,
        parallel: int | None = None,
    ) -> Stored:
        """Upload a file in one request or in parts, as the service decides, and complete the upload."""
        return self._worker.call(
            self._client.upload,
            source,
            filename=filename,
            content_type=content_type,
            policy=policy,
            metadata=metadata,
            key=key,
            overwrite=overwrite,
            checksum=checksum,
            on_progress=on_progress,
            parallel=parallel,
        )

    def create(
        self,
        *,
        filename: str | None = None,
        size: int | None = None,
        content_type: str | None = None,
        policy: str | None = None,
        metadata: Mapping[str, str] | None = None,
        key: str | None = None,
        overwrite: bool | None = None,
        method: Literal["auto", "put", "post", "multipart"] | None = None,
        expires_in: int | None = None,
    ) -> Grant:
        """Create an upload for another program to send, such as a browser."""
        return self._worker.call(
            self._client.create,
            filename=filename,
            size=size,
            content_type=content_type,
            policy=policy,
            metadata=metadata,
            key=key,
            overwrite=overwrite,
            method=method,
            expires_in=expires_in,
        )

    def sign_parts(
        self, upload_id: str, numbers: Sequence[int], *, checksums: Sequence[str] | None = None
    ) -> dict[int, SignedPart]:
        """Get presigned URLs for parts of a multipart upload, by part number."""
        return self._worker.call(self._client.sign_parts, upload_id, numbers, checksums=checksums)

    def get(self, upload_id: str) -> UploadState:
        """Get the status of an upload in S3."""
        return self._worker.call(self._client.get, upload_id)

    def complete(self, upload_id: str) -> Stored:
        """Complete an upload: assemble and verify it, and return the object with a receipt. Idempotent."""
        return self._worker.call(self._client.complete, upload_id)

    def abort(self, upload_id: str) -> None:
        """Abort an upload. If it is stored, delete its object."""
        self._worker.call(self._client.abort, upload_id)

    def close(self) -> None:
        """Close the connections and end the thread.

        Calls in other threads are cancelled: they raise ``client_closed``, and an upload is aborted, unless
        its state is in ``state_dir``.
        """
        self._worker.close(self._client.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
