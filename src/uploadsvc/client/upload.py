"""One file, from its first byte to its receipt; or from where an earlier run was stopped."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import httpx

from uploadsvc.client.api import Grant, Layout, Service, SignedPart, Stored
from uploadsvc.client.errors import Gone, Refused, Transient, UploadProblem
from uploadsvc.client.file import Source
from uploadsvc.client.parts import PartSender
from uploadsvc.client.request import Wish, begin
from uploadsvc.client.resume import Remembered, States
from uploadsvc.client.transfer import Transfer

_MOST_BEGINNINGS: Final = 3
_MOST_ROUNDS: Final = 3
_NO_MORE: Final = frozenset({"not_found", "upload_expired", "upload_aborted"})
"""What the service says of an id that serves no more."""

_LOST: Final = frozenset({"file_changed", "verification_failed"})
"""The parts that S3 has are not those of the file."""


class Progress(Protocol):
    """Shows how far one file is."""

    def reset(self, done: int) -> None:
        """So many bytes are there already."""

    def moved(self, count: int) -> None:
        """So many more were sent; fewer than none have to be sent again."""

    def say(self, text: str) -> None:
        """Tell something about the file, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What all uploads of a run share.

    Attributes:
        url: The service's.
        service: Its calls.
        transfer: Sends bytes.
        states: What is remembered.
        wish: What was asked for.
        parallel: The most parts of one file at once.
    """

    url: str
    service: Service
    transfer: Transfer
    states: States
    wish: Wish
    parallel: int


class Upload:
    """The upload of one file.

    Args:
        tools: What all uploads share.
        source: The file.
        progress: Shows how far it is.
        name: Of its state.
    """

    def __init__(self, tools: Tools, source: Source, progress: Progress, name: str) -> None:
        self._tools = tools
        self._service = tools.service
        self._source = source
        self._progress = progress
        self._name = name

    async def run(self) -> Stored:
        """Send what S3 does not have yet, and have it verified.

        Raises:
            UploadProblem: The file is not stored.
        """
        for left in reversed(range(_MOST_BEGINNINGS)):
            try:
                stored = await self._go_on()
                return stored or await self._begin()
            except Gone as problem:
                if not left:
                    raise
                self._tools.states.forget(self._name)
                self._progress.reset(0)
                self._progress.say(f"starting anew: {problem.detail}")
            except UploadProblem as problem:
                if problem.code in _LOST:
                    # It can never be completed: the next run begins anew.
                    await self._give_up()
                raise
        raise AssertionError  # the last turn returns or raises

    async def _go_on(self) -> Stored | None:
        """Go on with what an earlier run, or an earlier turn of this one, has begun."""
        remembered = self._tools.states.find(self._name)
        if remembered is None or remembered.url != self._tools.url:
            return None
        if remembered.fingerprint != self._source.fingerprint:
            self._progress.say("starting anew: the file has changed since its upload was begun")
            await self._give_up()
            return None
        try:
            state = await self._service.state(remembered.id, self._source.size)
        except UploadProblem as problem:
            if problem.code in _NO_MORE:
                raise Gone(problem.code, problem.detail) from None
            raise
        if state.status == "stored":
            self._progress.reset(self._source.size)
            self._progress.say("stored already")
            return await self._complete(remembered.id)
        if state.status == "aborted":
            code, detail = "upload_aborted", "The earlier upload was given up, or cleaned away."
            raise Gone(code, detail)
        if state.layout is None:
            return None  # by one request, which did not arrive: its URL is not to be had again
        missing = state.layout.missing(state.arrived)
        there = state.layout.part_count - len(missing)
        self._progress.say(f"going on: {there} of {state.layout.part_count} parts are there")
        return await self._in_parts(remembered.id, state.layout, {}, missing)

    async def _begin(self) -> Stored:
        grant = await begin(self._service, self._tools.wish, self._source)
        remembered = Remembered(url=self._tools.url, id=grant.id, fingerprint=self._source.fingerprint)
        try:
            self._tools.states.save(self._name, remembered)
        except OSError as error:
            self._progress.say(f"cannot be gone on with if stopped: no state is kept ({error.strerror})")
        if grant.layout is None:
            return await self._in_one(grant)
        return await self._in_parts(grant.id, grant.layout, grant.parts, grant.layout.missing({}))

    async def _in_one(self, grant: Grant) -> Stored:
        attempts, there_before = self._service.retries.start(), False
        while True:
            try:
                async with self._tools.transfer.slots:
                    await self._send_whole(grant)
                break
            except Transient as problem:
                await attempts.failed(problem)
            except Refused as problem:
                if problem.status == httpx.codes.PRECONDITION_FAILED:
                    # Something is under the key: these very bytes, if an answer was lost. Completion tells.
                    there_before = True
                    self._progress.moved(self._source.size)
                    break
                if problem.status != httpx.codes.FORBIDDEN:
                    raise
                # The URL may have ended after the bytes arrived, and only the answer been lost.
                state = await self._service.state(grant.id, self._source.size)
                if state.status != "stored":
                    raise Gone(problem.code, problem.detail) from None
                self._progress.moved(self._source.size)
                break
        try:
            return await self._complete(grant.id)
        except UploadProblem as problem:
            if problem.code == "file_changed" and not there_before:
                await self._abort(grant.id)  # what is there now is no state of the file
            if there_before and problem.code == "upload_incomplete":
                self._tools.states.forget(self._name)
                code, detail = "object_exists", "There is an object under this key already."
                raise UploadProblem(code, detail) from None
            raise

    async def _send_whole(self, grant: Grant) -> None:
        transfer, source, moved = self._tools.transfer, self._source, self._progress.moved
        if grant.method == "put":
            await transfer.put(
                grant.url, grant.headers, source=source, start=0, size=source.size, moved=moved
            )
        else:
            await transfer.post(grant.url, grant.fields, source, moved)

    async def _in_parts(
        self, upload_id: str, layout: Layout, signed: Mapping[int, SignedPart], missing: list[int]
    ) -> Stored:
        sender = PartSender(
            self._service,
            self._tools.transfer,
            self._source,
            upload_id=upload_id,
            layout=layout,
            signed=signed,
            checksum=self._tools.wish.checksum,
            moved=self._progress.moved,
        )
        attempts = self._service.retries.start()
        for left in reversed(range(_MOST_ROUNDS)):
            self._progress.reset(self._source.size - sum(layout.size_of(number) for number in missing))
            try:
                await sender.send(missing, self._tools.parallel)
            except Refused as problem:
                # S3 no longer knows the upload: it is complete, or gone. Completion tells.
                if problem.status != httpx.codes.NOT_FOUND:
                    raise
            try:
                return await self._complete(upload_id)
            except UploadProblem as problem:
                if problem.code != "upload_incomplete" or not left:
                    raise
                await attempts.failed(Transient(problem.code, problem.detail))
            state = await self._service.state(upload_id, self._source.size)
            missing = layout.missing(state.arrived) if state.status != "stored" else []
        raise AssertionError  # the last round returns or raises

    async def _complete(self, upload_id: str) -> Stored:
        self._source.check_unchanged()
        try:
            return await self._service.complete(upload_id)
        except UploadProblem as problem:
            if problem.code in _NO_MORE:
                raise Gone(problem.code, problem.detail) from None
            raise

    async def _give_up(self) -> None:
        """Have S3 throw away the parts that it has: they cost money. What is stored stays."""
        remembered = self._tools.states.find(self._name)
        self._tools.states.forget(self._name)
        if remembered is None or remembered.url != self._tools.url:
            return
        with contextlib.suppress(UploadProblem):
            state = await self._service.state(remembered.id, self._source.size)
            if state.status in {"pending", "uploading"}:
                await self._abort(remembered.id)

    async def _abort(self, upload_id: str) -> None:
        # That it fails harms nobody, and the user has been told of worse.
        with contextlib.suppress(UploadProblem):
            await self._service.abort(upload_id)
