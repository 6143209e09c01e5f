"""The service's side of an upload: begin it, look at it, sign its parts, complete it, give it up."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from uploadsvc.client.auth import Caller
from uploadsvc.client.errors import Lost, Transient, of_service, unexpected
from uploadsvc.client.retries import Retries

_COMPLETE_RETRIES: Final = 60
"""S3 may take minutes to put parts together, and the service says so every few seconds."""

_USED_OF_LIFE: Final = 0.95
"""Of the life of a URL so much is used: a request takes its time to arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPart:
    """Where one part goes.

    Attributes:
        url: Presigned.
        headers: To be sent with it.
        good_until: By the event loop's clock, in seconds.
    """

    url: str
    headers: Mapping[str, str]
    good_until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a file is cut.

    Attributes:
        size: Of the file, in bytes.
        part_size: Of every part but the last, in bytes.
        part_count: How many parts there are.
    """

    size: int
    part_size: int
    part_count: int

    def start_of(self, number: int) -> int:
        """Return where a part begins; parts are counted from 1."""
        return (number - 1) * self.part_size

    def size_of(self, number: int) -> int:
        """Return the bytes of a part."""
        return min(self.part_size, self.size - self.start_of(number))

    def missing(self, arrived: Mapping[int, int]) -> list[int]:
        """Return the parts of which not all bytes have arrived."""
        numbers = range(1, self.part_count + 1)
        return [number for number in numbers if arrived.get(number) != self.size_of(number)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A new upload.

    Attributes:
        id: Its name in later calls.
        method: ``put``, ``post`` or ``multipart``.
        url: Where the bytes go, unless in parts.
        headers: Of a PUT.
        fields: Of a form.
        layout: Of a multipart upload.
        parts: The first ones, signed.
    """

    id: str
    method: str
    url: str
    headers: Mapping[str, str]
    fields: Mapping[str, str]
    layout: Layout | None
    parts: Mapping[int, SignedPart]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What has arrived of an upload.

    Attributes:
        status: ``pending``, ``uploading``, ``stored`` or ``aborted``.
        layout: Of a multipart upload.
        arrived: The bytes of each part that is there.
    """

    status: str
    layout: Layout | None
    arrived: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A stored file: its key, its bytes, S3's tag for them, and the service's receipt."""

    key: str
    size: int
    etag: str
    receipt: str


class Service:
    """The calls on uploads.

    Args:
        http: Speaks to the service; its base URL is the service's.
        caller: Who calls.
        retries: How often each call is tried again.
    """

    def __init__(self, http: httpx.AsyncClient, caller: Caller, retries: Retries) -> None:
        self._http = http
        self._caller = caller
        self.retries = retries

    async def create(self, request: Mapping[str, Any], size: int) -> Grant:
        """Begin an upload.

        Raises:
            UploadProblem: The service refuses, or cannot be reached.
        """
        answer = await self._call("POST", "/v1/uploads", request)
        try:
            body = answer.json()
            return Grant(
                id=body["id"],
                method=body["method"],
                url=body.get("url", ""),
                headers=body.get("headers", {}),
                fields=body.get("fields", {}),
                layout=_layout(body, size),
                parts=_parts(body, answer),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise unexpected(error) from None

    async def state(self, upload_id: str, size: int) -> State:
        """Ask what has arrived of an upload of a file of ``size`` bytes.

        Raises:
            UploadProblem: As for `create`.
        """
        answer = await self._call("GET", f"/v1/uploads/{upload_id}")
        try:
            body = answer.json()
            arrived = {part["part_number"]: part["size"] for part in body["parts"] or ()}
            return State(status=body["status"], layout=_layout(body, size), arrived=arrived)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise unexpected(error) from None

    async def sign(
        self, upload_id: str, numbers: Sequence[int], checksums: Sequence[str] | None
    ) -> dict[int, SignedPart]:
        """Get URLs for parts.

        Raises:
            UploadProblem: As for `create`.
        """
        request = {"part_numbers": list(numbers), "checksums": checksums}
        answer = await self._call("POST", f"/v1/uploads/{upload_id}/parts", request)
        try:
            return _parts(answer.json(), answer)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise unexpected(error) from None

    async def complete(self, upload_id: str) -> Stored:
        """Have an upload put together and verified. Safe to repeat.

        Raises:
            UploadProblem: As for `create`, or something is missing or wrong.
        """
        most = max(self.retries.most, _COMPLETE_RETRIES) if self.retries.most else 0
        path = f"/v1/uploads/{upload_id}/complete"
        answer = await self._call("POST", path, retries=replace(self.retries, most=most, longest=5.0))
        try:
            body = answer.json()
            found = body["object"]
            return Stored(
                key=found["key"], size=found["size"], etag=found["etag"], receipt=str(body["receipt"])
            )
        except (ValueError, TypeError, KeyError) as error:
            raise unexpected(error) from None

    async def abort(self, upload_id: str) -> None:
        """Give an upload up.

        Raises:
            UploadProblem: As for `create`.
        """
        await self._call("DELETE", f"/v1/uploads/{upload_id}")

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        retries: Retries | None = None,
    ) -> httpx.Response:
        attempts, renewed = (retries or self.retries).start(), False
        while True:
            headers = await self._caller.headers()
            try:
                answer = await self._http.request(method, path, json=body, headers=headers)
            except httpx.TransportError as error:
                await attempts.failed(Lost("The service", error))
                continue
            if answer.is_success:
                return answer
            if answer.status_code == httpx.codes.UNAUTHORIZED and not renewed:
                renewed = True
                if await self._caller.renewed(headers):
                    continue
            problem = of_service(answer)
            if not isinstance(problem, Transient):
                raise problem
            await attempts.failed(problem)


def _layout(body: Mapping[str, Any], size: int) -> Layout | None:
    if body["method"] != "multipart" or body["part_size"] is None:
        return None
    return Layout(size=size, part_size=body["part_size"], part_count=body["part_count"])


def _parts(body: Mapping[str, Any], answer: httpx.Response) -> dict[int, SignedPart]:
    listed = body.get("parts") or ()
    # By the service's clock, since this machine's may be wrong.
    date = answer.headers.get("date")
    now = parsedate_to_datetime(date) if date else datetime.now(UTC)
    life = (datetime.fromisoformat(body["expires_at"]) - now).total_seconds()
    good_until = asyncio.get_running_loop().time() + life * _USED_OF_LIFE
    return {
        part["part_number"]: SignedPart(url=part["url"], headers=part["headers"], good_until=good_until)
        for part in listed
    }
