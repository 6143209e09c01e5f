"""Calls of the API: create an upload, get its state, sign parts, complete, abort."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

import httpx

from uploadsvc.client import answers
from uploadsvc.client.auth import Caller
from uploadsvc.client.contact import Contact
from uploadsvc.client.errors import (
    Retries,
    Transient,
    UploadsvcError,
    service_problem,
    unexpected_answer,
)
from uploadsvc.client.file import Algorithm, Content
from uploadsvc.client.models import Stored
from uploadsvc.client.text import text_type

_COMPLETE_RETRIES: Final = 60
"""S3 may take minutes to assemble parts. Meanwhile, the service responds with 503 every few seconds."""

_METHODS: Final = {method: method for method in ("put", "post", "multipart")}

_MAX_PARTS: Final = 10_000
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""

UNUSABLE: Final = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
"""Errors of parsing a response that does not come from uploadsvc."""

_USABLE_SHARE: Final = 0.95
"""Share of a URL's lifetime in which to use it, because a request needs time to arrive."""


def given(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return the fields that have a value; the service has defaults for the others."""
    return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPart:
    """A presigned PUT of one part.

    Attributes:
        url: Presigned URL. It is a credential, so do not log it.
        headers: Headers to send with it.
        usable_until: Time on the event loop's clock (`time.monotonic`), in seconds.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    usable_until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Parts of a file.

    Attributes:
        size: Size of the file in bytes.
        part_size: Size of every part but the last, in bytes.
        part_count: Number of parts.
    """

    size: int
    part_size: int
    part_count: int

    def start_of(self, number: int) -> int:
        """Return the offset of a part; part numbers start at 1."""
        return (number - 1) * self.part_size

    def size_of(self, number: int) -> int:
        """Return the size of a part in bytes."""
        return min(self.part_size, self.size - self.start_of(number))

    def missing(self, arrived: Mapping[int, int]) -> list[int]:
        """Return the numbers of parts that are missing or incomplete."""
        numbers = range(1, self.part_count + 1)
        return [number for number in numbers if arrived.get(number) != self.size_of(number)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A new upload.

    Attributes:
        id: Upload id.
        method: ``put``, ``post`` or ``multipart``.
        url: Target of a PUT or a form; empty for multipart.
        headers: Headers of a PUT.
        fields: Fields of a form.
        layout: Parts of a multipart upload.
        parts: The first parts, signed, by part number.
        key: Key of the object.
    """

    id: str = field(repr=False)
    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    layout: Layout | None
    parts: Mapping[int, SignedPart]
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """State of an upload in S3.

    Attributes:
        status: ``pending``, ``uploading``, ``stored`` or ``aborted``.
        layout: Parts of a multipart upload.
        arrived: Size of each part that has arrived, by part number.
        key: Key of the object.
    """

    status: str
    layout: Layout | None
    arrived: Mapping[int, int]
    key: str = ""


class UploadsApi:
    """Upload calls.

    Args:
        http: HTTP client.
        caller: Credentials.
        retries: Retries of each call.
        contact: Contact with the service.
        url: URL of the service; by default the HTTP client's base URL.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        caller: Caller,
        retries: Retries,
        contact: Contact,
        *,
        url: str | None = None,
    ) -> None:
        self._http = http
        self._url = (str(http.base_url) if url is None else url).rstrip("/")
        self._caller = caller
        self._contact = contact
        self.retries = retries

    async def create(self, request: Mapping[str, Any], size: int | None) -> Grant:
        """Create an upload.

        Raises:
            UploadsvcError: The service refuses or cannot be reached.
        """
        answer = await self.call("POST", "/v1/uploads", request)
        try:
            body = answers.json_object(answer)
            method = _METHODS[body["method"]]
            return Grant(
                id=answers.path_segment(body["id"]),
                method=method,
                url="" if method == "multipart" else answers.web_url(body["url"]),
                headers=answers.headers(body["headers"]) if method == "put" else {},
                fields=answers.texts(body["fields"]) if method == "post" else {},
                layout=_layout(body, size, new=True),
                parts=_parts(body, answer) if method == "multipart" else {},
                key=answers.text(body.get("key", "")),
            )
        except UNUSABLE as error:
            raise unexpected_answer(error) from None

    async def state(self, upload_id: str, size: int) -> State:
        """Return the state in S3 of an upload of ``size`` bytes.

        Raises:
            UploadsvcError: As for `create`.
        """
        answer = await self.call("GET", f"/v1/uploads/{upload_id}")
        try:
            body = answers.json_object(answer)
            arrived = {
                answers.number(part["part_number"]): answers.number(part["size"])
                for part in body["parts"] or ()
            }
            return State(
                status=answers.text(body["status"]),
                layout=_layout(body, size),
                arrived=arrived,
                key=answers.text(body.get("key", "")),
            )
        except UNUSABLE as error:
            raise unexpected_answer(error) from None

    async def sign(
        self, upload_id: str, numbers: Sequence[int], checksums: Sequence[str] | None
    ) -> dict[int, SignedPart]:
        """Return presigned URLs for parts.

        Raises:
            UploadsvcError: As for `create`.
        """
        request = {"part_numbers": list(numbers), "checksums": checksums}
        answer = await self.call("POST", f"/v1/uploads/{upload_id}/parts", request)
        try:
            return _parts(answers.json_object(answer), answer)
        except UNUSABLE as error:
            raise unexpected_answer(error) from None

    async def complete(self, upload_id: str) -> Stored:
        """Assemble and verify an upload. Idempotent.

        Raises:
            UploadsvcError: As for `create`, or parts are missing or wrong.
        """
        limit = max(self.retries.limit, _COMPLETE_RETRIES) if self.retries.limit else 0
        path = f"/v1/uploads/{upload_id}/complete"
        answer = await self.call("POST", path, retries=replace(self.retries, limit=limit, max_delay=5.0))
        try:
            return Stored.read(answers.json_object(answer))
        except UNUSABLE as error:
            raise unexpected_answer(error) from None

    async def folder_field(self, policy: str | None) -> Literal["relative_key", "filename"] | None:
        """Return the request field for folders under a policy; ``None`` if it drops them.

        Args:
            policy: Name of the policy; ``None`` for the default policy.

        Raises:
            UploadsvcError: As for `create`.
        """
        answer = await self.call("GET", "/v1/policies")
        try:
            policies = answers.json_object(answer)["policies"]
            named = [one for one in policies if one["name"] == (policy or "default")]
            if any(one["client_keys"] for one in named):
                return "relative_key"
            # Older services do not have the field.
            return "filename" if any(one.get("keeps_folders") for one in named) else None
        except UNUSABLE as error:
            raise unexpected_answer(error) from None

    async def abort(self, upload_id: str) -> None:
        """Abort an upload.

        Raises:
            UploadsvcError: As for `create`.
        """
        await self.call("DELETE", f"/v1/uploads/{upload_id}")

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str | int] | None = None,
        retries: Retries | None = None,
    ) -> httpx.Response:
        """Make a call, with retries after transient problems, and return the successful response.

        Raises:
            UploadsvcError: The service refuses or cannot be reached.
        """
        attempts, renewed = (retries or self.retries).start(), False
        while True:
            headers = await self._caller.headers()
            try:
                with self._contact.attempt(self._url):
                    # A redirect must not carry an API key to another server.
                    answer = await self._http.request(
                        method,
                        self._url + path,
                        json=body,
                        params=query,
                        headers=headers,
                        follow_redirects=False,
                    )
            except Transient as lost:
                await attempts.failed(lost)
                continue
            self._contact.reached()
            if answer.is_success:
                return answer
            if answer.status_code == httpx.codes.UNAUTHORIZED and not renewed:
                renewed = True
                if await self._caller.renewed(headers):
                    continue
            problem = service_problem(answer)
            if not isinstance(problem, Transient):
                raise problem
            await attempts.failed(problem)


def _layout(body: Mapping[str, Any], size: int | None, *, new: bool = False) -> Layout | None:
    if body["method"] != "multipart" or (body["part_size"] is None and not new):
        return None
    if size is None:
        message = "parts of a file without a size"
        raise ValueError(message)
    part_size, part_count = answers.number(body["part_size"]), answers.number(body["part_count"])
    # The file of an earlier upload may have changed. An empty file has one empty part.
    good = not new or part_count == max(1, -(-size // max(1, part_size)))
    if part_size == 0 or not 1 <= part_count <= _MAX_PARTS or not good:
        message = "parts that do not make up the file"
        raise ValueError(message)
    return Layout(size=size, part_size=part_size, part_count=part_count)


def _parts(body: Mapping[str, Any], answer: httpx.Response) -> dict[int, SignedPart]:
    listed = body.get("parts") or ()
    # Measured with the service's clock, because the local one may be wrong.
    date = answer.headers.get("date")
    now = parsedate_to_datetime(date) if date else datetime.now(UTC)
    life = (datetime.fromisoformat(body["expires_at"]) - now).total_seconds()
    usable_until = asyncio.get_running_loop().time() + life * _USABLE_SHARE
    return {
        answers.number(part["part_number"]): SignedPart(
            url=answers.web_url(part["url"]),
            headers=answers.headers(part["headers"]),
            usable_until=usable_until,
        )
        for part in listed
    }


_MULTIPART_FIRST: Final = 64 * 1024**2
"""Above this size, try multipart first for a SHA-256. The policy's threshold is unknown here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOptions:
    """Options for each file, from the command line.

    Attributes:
        policy: Policy name; ``None`` for the default policy.
        content_type: Content type; ``None`` to derive it from the file name.
        metadata: Metadata by name.
        relative_key: Key below the user's prefix.
        filename: Filename with its folders; ``None`` for the file's own name.
        overwrite: Replace an existing object; ``None`` for the policy's rule.
        checksum: Checksum for S3 to compare.
    """

    policy: str | None = None
    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    relative_key: str | None = None
    filename: str | None = None
    overwrite: bool | None = None
    checksum: Algorithm | None = None

    def fields(self) -> dict[str, Any]:
        """Return the request fields for these options, without the checksum."""
        return {
            "policy": self.policy,
            "content_type": self.content_type,
            "metadata": dict(self.metadata) or None,
            "relative_key": self.relative_key,
            "overwrite": self.overwrite,
            # Left out if not set: the name of the state file depends on the fields, and must match that of
            # earlier versions.
            **({} if self.filename is None else {"filename": self.filename}),
        }


async def create_upload(api: UploadsApi, options: UploadOptions, file: Content) -> Grant:
    """Create an upload; with a checksum, using the first method that can check it.

    Raises:
        UploadsvcError: The service refuses or cannot be reached, or the file cannot be read.
    """
    refusal: UploadsvcError | None = None
    content_type = options.content_type or await text_type(file, options.filename or file.name)
    named = {"filename": file.name or None, **options.fields()}
    asked = {**named, "content_type": content_type, "size": file.size}
    async for attempt in _attempts(options.checksum, file):
        request = {**asked, **attempt}
        try:
            return await api.create(request, file.size)
        except UploadsvcError as problem:
            if problem.code != "method_not_available":
                raise
            refusal = refusal or problem
    assert refusal is not None  # noqa: S101 - there is at least one attempt
    raise refusal


async def _attempts(checksum: Algorithm | None, file: Content) -> AsyncIterator[dict[str, Any]]:
    if checksum is None:
        yield {}
        return
    if checksum is Algorithm.CRC32:
        # CRC32 covers the whole file for every method.
        yield {"checksum": {"algorithm": checksum, "value": await file.checksum(checksum, 0, file.size)}}
        return
    # For multipart, S3 checks the SHA-256 of each part: part sizes are not known yet.
    multipart = {"method": "multipart", "checksum": {"algorithm": checksum, "value": None}}
    if file.size > _MULTIPART_FIRST:
        yield multipart
    value = await file.checksum(checksum, 0, file.size)
    for method in ("put", "post"):
        yield {"method": method, "checksum": {"algorithm": checksum, "value": value}}
    if file.size <= _MULTIPART_FIRST:
        yield multipart
