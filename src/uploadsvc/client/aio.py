"""`AsyncClient`: uploads and API calls for asyncio programs."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

import anyio
import httpx

from uploadsvc.client import answers
from uploadsvc.client.api import UNUSABLE, Grant, SignedPart, UploadOptions, given
from uploadsvc.client.auth import Secret, caller_for
from uploadsvc.client.errors import Retries, unexpected_answer
from uploadsvc.client.file import Algorithm
from uploadsvc.client.models import Stored, UploadState
from uploadsvc.client.objects import AsyncObjects, AsyncTokens
from uploadsvc.client.resume import ResumeStore, state_name
from uploadsvc.client.session import TIMEOUT, Session, service_url
from uploadsvc.client.source import Source, opened
from uploadsvc.client.upload import Context, Upload

OnProgress = Callable[[int, int], object]
"""Called with the number of bytes sent so far, and the total. The first can decrease when bytes are sent
again.
"""

_LOG: Final = logging.getLogger("uploadsvc.client")
GOODBYE: Final = 5.0
"""Seconds for aborting a failed or cancelled upload."""


@dataclass(slots=True)
class _Progress:
    """Reports the progress of an upload to a callback."""

    total: int
    callback: OnProgress | None
    sent: int = 0

    def reset(self, done: int) -> None:
        self.sent = done
        self._tell()

    def advance(self, count: int) -> None:
        self.sent += count
        self._tell()

    def say(self, text: str) -> None:
        _LOG.info("%s", text)

    def _tell(self) -> None:
        if self.callback is not None:
            self.callback(self.sent, self.total)


class AsyncClient:
    """Asynchronous client of uploadsvc.

    Pass either a token or an API key. Use it as ``async with AsyncClient(…) as client``, or call `aclose`.
    Tasks can share a client.

    Args:
        url: URL of the service, such as ``https://uploads.example.com``.
        token: Bearer token of a user, or a function, async or not, that returns one. It is called again if
            the service rejects the token.
        api_key: API key of a backend, or a function that returns one.
        on_behalf_of: User that a backend acts for.
        timeout: Seconds to wait for a connection or for more bytes, or an `httpx.Timeout`.
        retries: Maximum number of retries of each request after a transient problem, with exponential
            backoff.
        parallel: Maximum number of concurrent requests to S3, over all uploads of this client.
        state_dir: Directory for the state of uploads of paths, so that a later run can resume them.
        http: HTTP client to use instead, for example with a proxy or certificates. It must not add
            credentials to requests, keeps its own timeouts, and is not closed.

    Raises:
        ValueError: The URL is malformed, the combination of credentials is wrong, or a proxy or certificates
            in the environment cannot be used.
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
        if parallel < 1 or retries < 0:
            message = "parallel must be 1 or more, and retries 0 or more"
            raise ValueError(message)
        self._session = Session(
            service_url(url),
            caller_for(token=token, api_key=api_key, on_behalf_of=on_behalf_of),
            retries=Retries(limit=retries),
            parallel=parallel,
            tell=partial(_LOG.warning, "%s"),
            timeout=timeout,
            http=http,
        )
        self._api = self._session.api
        self._on_behalf_of = on_behalf_of
        self._parallel = parallel
        self._resume = ResumeStore(None if state_dir is None else Path(state_dir))
        self._saves = state_dir is not None
        self.objects = AsyncObjects(self._session)
        """The user's stored objects."""
        self.tokens = AsyncTokens(self._session)
        """Upload tokens."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._session.url!r})"

    async def upload(
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
        """Upload a file in one request or in parts, as the service decides, and complete the upload.

        Retries after dropped connections, server errors and expired URLs. An upload that fails or is
        cancelled is aborted, unless its state is in ``state_dir``: then the same call, in any process, sends
        only the missing parts.

        Args:
            source: Bytes; a path (a ``str`` is a path); a binary file, read from its current position; or an
                iterator of bytes, async or not. S3 needs the size in advance, so an iterator is first read to
                its end: up to 8 MiB into memory, more into a temporary file.
            filename: File name; by default that of the path or file.
            content_type: Media type; by default derived from the extension of the file name.
            policy: Name of the policy; by default ``default``.
            metadata: Metadata that the policy allows.
            key: Key below the user's prefix, if the policy has ``client_keys``.
            overwrite: Whether to replace an existing object; by default the policy decides.
            checksum: Whether S3 verifies a checksum. Computing it reads the bytes once more.
            on_progress: Called with the bytes sent so far, and the total.
            parallel: Maximum number of concurrent parts, if less than the client's ``parallel``.

        Raises:
            UploadsvcError: The file is not stored.
            TypeError: The source has an unsupported type.
        """
        options = UploadOptions(
            policy=policy,
            content_type=content_type,
            metadata=metadata or {},
            relative_key=key,
            filename=filename,
            overwrite=overwrite,
            checksum=None if checksum is None else Algorithm(checksum),
        )
        context = Context(
            url=self._session.url,
            api=self._api,
            transfer=self._session.transfer,
            resume=self._resume,
            options=options,
            parallel=max(1, parallel or self._parallel),
        )
        async with opened(source) as content:
            saved = self._saves and content.fingerprint is not None
            name = self._state_name(content.fingerprint.path, options) if content.fingerprint else ""
            if not saved:
                context = context.without_resume()
            upload = Upload(context, content, _Progress(content.size, on_progress), name)
            try:
                stored = await upload.run()
            except BaseException:
                if not saved:
                    with anyio.move_on_after(GOODBYE, shield=True):
                        await upload.discard()
                raise
            context.resume.forget(name)
            return stored

    async def create(
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
        """Create an upload for another program to send, such as a browser.

        Args:
            filename: File name.
            size: Size in bytes; without it, the service returns a form.
            content_type: Media type; by default derived from the extension of the file name.
            policy: Name of the policy; by default ``default``.
            metadata: Metadata that the policy allows.
            key: Key below the user's prefix, if the policy has ``client_keys``.
            overwrite: Whether to replace an existing object; by default the policy decides.
            method: Upload method; by default the service chooses.
            expires_in: Lifetime of the URLs in seconds.

        Raises:
            UploadsvcError: The service refuses or cannot be reached.
        """
        body = given(
            filename=filename,
            size=size,
            content_type=content_type,
            policy=policy,
            metadata=dict(metadata or {}) or None,
            relative_key=key,
            overwrite=overwrite,
            method=method,
            expires_in=expires_in,
        )
        return await self._api.create(body, size)

    async def sign_parts(
        self, upload_id: str, numbers: Sequence[int], *, checksums: Sequence[str] | None = None
    ) -> dict[int, SignedPart]:
        """Get presigned URLs for parts of a multipart upload, by part number.

        Args:
            upload_id: Id of the upload.
            numbers: Part numbers, from 1.
            checksums: Checksums of the parts in base64, if the upload was created with one.

        Raises:
            UploadsvcError: The service refuses or cannot be reached.
        """
        return await self._api.sign(_segment(upload_id), numbers, checksums)

    async def get(self, upload_id: str) -> UploadState:
        """Get the status of an upload in S3.

        Raises:
            UploadsvcError: The service refuses or cannot be reached.
        """
        answer = await self._api.call("GET", f"/v1/uploads/{_segment(upload_id)}")
        try:
            return UploadState.read(answers.json_object(answer))
        except UNUSABLE as error:
            raise unexpected_answer(error) from None

    async def complete(self, upload_id: str) -> Stored:
        """Complete an upload: assemble and verify it, and return the object with a receipt. Idempotent.

        Raises:
            UploadsvcError: As for `get`, or the stored bytes are incomplete or wrong.
        """
        return await self._api.complete(_segment(upload_id))

    async def abort(self, upload_id: str) -> None:
        """Abort an upload. If it is stored, delete its object, if the service allows that.

        Raises:
            UploadsvcError: The service refuses or cannot be reached.
        """
        await self._api.abort(_segment(upload_id))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _state_name(self, path: str, options: UploadOptions) -> str:
        # The terminal client's format, so that each can resume uploads of the other.
        asked = {**options.fields(), "checksum": options.checksum, "on_behalf_of": self._on_behalf_of}
        return state_name(self._session.url, path, asked)


def _segment(upload_id: str) -> str:
    try:
        return answers.path_segment(upload_id)
    except ValueError:
        message = "upload_id must be an id from create"
        raise ValueError(message) from None
