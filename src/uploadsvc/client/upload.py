"""Upload of one file, from the start or resumed."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import httpx

from uploadsvc.client.api import Grant, Layout, SignedPart, UploadOptions, UploadsApi, create_upload
from uploadsvc.client.errors import Gone, Refused, Transient, UploadsvcError
from uploadsvc.client.file import Content
from uploadsvc.client.models import Stored
from uploadsvc.client.resume import ResumeStore, SavedUpload
from uploadsvc.client.transfer import PartSender, Transfer

_MAX_STARTS: Final = 3
_MAX_ROUNDS: Final = 3
_NO_MORE: Final = frozenset({"not_found", "upload_expired", "upload_aborted"})
"""Problem codes of an upload id that is no longer valid."""

_LOST: Final = frozenset({"file_changed", "verification_failed", "content_mismatch"})
"""Problem codes after which an upload can never be completed, because its bytes are wrong."""


class Progress(Protocol):
    """Progress of one file."""

    def reset(self, done: int) -> None:
        """Start over from ``done`` bytes."""

    def advance(self, count: int) -> None:
        """Count ``count`` more bytes as sent; a negative count takes some back."""

    def say(self, text: str) -> None:
        """Print one line about the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Objects shared by all uploads of a run.

    Attributes:
        url: URL of the service.
        api: Calls of the service.
        transfer: Transfers to S3.
        resume: Saved uploads.
        options: Options of the command line.
        parallel: Maximum number of concurrent parts of a file.
        taken: State file of the upload that has each key.
    """

    url: str
    api: UploadsApi
    transfer: Transfer
    resume: ResumeStore
    options: UploadOptions
    parallel: int
    taken: dict[str, str] = field(default_factory=dict)

    def without_resume(self) -> "Context":
        """Return a context that saves nothing."""
        return replace(self, resume=ResumeStore(None))


class Upload:
    """Uploads one file.

    Args:
        context: Shared objects.
        file: The file.
        progress: Progress of the file.
        name: Name of the state file.
    """

    def __init__(self, context: Context, file: Content, progress: Progress, name: str) -> None:
        self._context = context
        self._api = context.api
        self._file = file
        self._progress = progress
        self._name = name
        self._started: Grant | None = None

    async def run(self) -> Stored:
        """Send the bytes that S3 does not have, then complete the upload.

        Raises:
            UploadsvcError: The file is not stored.
        """
        for left in reversed(range(_MAX_STARTS)):
            try:
                stored = await self._resume_upload()
                return stored or await self._start()
            except Gone as problem:
                if not left:
                    raise
                self._context.resume.forget(self._name)
                self._progress.reset(0)
                self._progress.say(f"starting over: {problem.detail}")
            except UploadsvcError as problem:
                if problem.code in _LOST:
                    # This upload can never be completed, so the next run starts over.
                    await self._abort()
                raise
        raise AssertionError  # the last iteration returns or raises

    async def _resume_upload(self) -> Stored | None:
        """Resume the upload of an earlier run, or of an earlier attempt in this one."""
        saved = self._context.resume.find(self._name)
        if saved is None or saved.url != self._context.url:
            return None
        if saved.fingerprint != self._file.fingerprint:
            self._progress.say("starting over: the file changed after its upload was started")
            await self._abort()
            return None
        try:
            state = await self._api.state(saved.id, self._file.size)
        except UploadsvcError as problem:
            if problem.code in _NO_MORE:
                raise Gone(problem.code, problem.detail) from None
            raise
        if state.status == "aborted":
            code, detail = "upload_aborted", "The earlier upload was aborted."
            raise Gone(code, detail)
        if not self._takes(state.key):
            raise same_key()
        if state.status == "stored":
            self._progress.reset(self._file.size)
            self._progress.say("stored already")
            return await self._complete(saved.id)
        if state.layout is None:
            return None  # a single request that never arrived; its URL cannot be renewed
        missing = state.layout.missing(state.arrived)
        arrived = state.layout.part_count - len(missing)
        self._progress.say(f"resuming: {arrived} of {state.layout.part_count} parts have arrived")
        return await self._multipart(saved.id, state.layout, {}, missing)

    async def _start(self) -> Stored:
        grant = self._started = await create_upload(self._api, self._context.options, self._file)
        if not self._takes(grant.key):
            await self.discard()
            raise same_key()
        self._save(grant)
        if grant.layout is None:
            return await self._single(grant)
        return await self._multipart(grant.id, grant.layout, grant.parts, grant.layout.missing({}))

    def _takes(self, key: str) -> bool:
        # Older services name no key.
        return not key or self._context.taken.setdefault(key, self._name) == self._name

    def _save(self, grant: Grant) -> None:
        if self._file.fingerprint is None:
            return
        saved = SavedUpload(url=self._context.url, id=grant.id, fingerprint=self._file.fingerprint)
        try:
            self._context.resume.save(self._name, saved)
        except OSError as error:
            self._progress.say(f"cannot be resumed later: the state file was not saved ({error.strerror})")

    async def discard(self) -> None:
        """Abort a started multipart upload, if S3 still has parts, which cost money."""
        if self._started is None or self._started.layout is None:
            return
        with contextlib.suppress(UploadsvcError):
            state = await self._api.state(self._started.id, self._file.size)
            if state.status in {"pending", "uploading"}:
                await self._api.abort(self._started.id)

    async def _single(self, grant: Grant) -> Stored:
        attempts, existed = self._api.retries.start(), False
        while True:
            try:
                async with self._context.transfer.slots:
                    await self._send_whole(grant)
                break
            except Transient as problem:
                await attempts.failed(problem)
            except Refused as problem:
                if problem.status == httpx.codes.PRECONDITION_FAILED:
                    # The key is taken, possibly by these bytes if a response was lost. Completion shows
                    # which.
                    existed = True
                    self._progress.advance(self._file.size)
                    break
                if problem.status != httpx.codes.FORBIDDEN:
                    raise
                # The URL may have expired after the bytes arrived, with the response lost.
                state = await self._api.state(grant.id, self._file.size)
                if state.status != "stored":
                    raise Gone(problem.code, problem.detail) from None
                self._progress.advance(self._file.size)
                break
        try:
            return await self._complete(grant.id)
        except UploadsvcError as problem:
            if problem.code == "file_changed" and not existed and not await self._abort_upload(grant.id):
                # The stored bytes match no version of the file.
                detail = f"{problem.detail} The bytes may remain in S3, without a receipt."
                raise UploadsvcError(problem.code, detail) from None
            if existed and problem.code == "upload_incomplete":
                self._context.resume.forget(self._name)
                code, detail = "object_exists", "An object with this key exists already."
                raise UploadsvcError(code, detail) from None
            raise

    async def _send_whole(self, grant: Grant) -> None:
        transfer, file, advance = self._context.transfer, self._file, self._progress.advance
        if grant.method == "put":
            await transfer.put(grant.url, grant.headers, file=file, start=0, size=file.size, advance=advance)
        else:
            await transfer.post(grant.url, grant.fields, file, advance)

    async def _multipart(
        self, upload_id: str, layout: Layout, signed: Mapping[int, SignedPart], missing: list[int]
    ) -> Stored:
        sender = PartSender(
            self._api,
            self._context.transfer,
            self._file,
            upload_id=upload_id,
            layout=layout,
            signed=signed,
            checksum=self._context.options.checksum,
            advance=self._progress.advance,
        )
        attempts = self._api.retries.start()
        for left in reversed(range(_MAX_ROUNDS)):
            self._progress.reset(self._file.size - sum(layout.size_of(number) for number in missing))
            try:
                await sender.send(missing, self._context.parallel)
            except Refused as problem:
                # S3 no longer knows the upload: it is complete or aborted. Completion shows which.
                if problem.status != httpx.codes.NOT_FOUND:
                    raise
            try:
                return await self._complete(upload_id)
            except UploadsvcError as problem:
                if problem.code != "upload_incomplete" or not left:
                    raise
                await attempts.failed(Transient(problem.code, problem.detail))
            state = await self._api.state(upload_id, self._file.size)
            missing = layout.missing(state.arrived) if state.status != "stored" else []
        raise AssertionError  # the last iteration returns or raises

    async def _complete(self, upload_id: str) -> Stored:
        self._file.check_unchanged()
        try:
            return await self._api.complete(upload_id)
        except UploadsvcError as problem:
            if problem.code in _NO_MORE:
                raise Gone(problem.code, problem.detail) from None
            raise

    async def _abort(self) -> None:
        """Abort the saved upload, because its parts cost money. A stored object stays."""
        saved = self._context.resume.find(self._name)
        self._context.resume.forget(self._name)
        if saved is None or saved.url != self._context.url:
            return
        with contextlib.suppress(UploadsvcError):
            state = await self._api.state(saved.id, self._file.size)
            if state.status in {"pending", "uploading"}:
                await self._abort_upload(saved.id)

    async def _abort_upload(self, upload_id: str) -> bool:
        # A failure here is harmless, and another problem is already reported.
        with contextlib.suppress(UploadsvcError):
            await self._api.abort(upload_id)
            return True
        return False


def same_key() -> UploadsvcError:
    """Return the problem of a file that would replace another one of the same command."""
    return UploadsvcError("object_exists", "Another file in this command has the same key.")
