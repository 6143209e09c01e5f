"""Transfers of files and parts to and from S3, streamed from and to disk."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import islice
from typing import Final
from uuid import uuid4

import httpx

from uploadsvc.client.api import Layout, SignedPart, UploadsApi
from uploadsvc.client.contact import Contact
from uploadsvc.client.download import Receiver
from uploadsvc.client.errors import Refused, Transient, s3_problem, unexpected_answer
from uploadsvc.client.file import Algorithm, Content

Advance = Callable[[int], None]
"""Called with the number of bytes just sent; negative if some are to be sent again."""

_FILE_NAMES: Final = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
"""https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data"""


class Transfer:
    """Sends ranges of files to S3, and fetches objects.

    Args:
        http: HTTP client for S3.
        parallel: Maximum number of concurrent requests, over all files.
        contact: Contact with S3.
    """

    def __init__(self, http: httpx.AsyncClient, parallel: int, contact: Contact) -> None:
        self._http = http
        self._contact = contact
        self.slots = asyncio.Semaphore(parallel)

    async def put(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        file: Content,
        start: int,
        size: int,
        advance: Advance,
    ) -> None:
        """Send a range by PUT. The caller must hold a slot.

        Raises:
            Transient: The connection broke, or S3 is busy.
            Refused: S3 refuses the request.
            UploadsvcError: The file cannot be read.
        """
        body = file.chunks(start, size)
        await self._send("PUT", url, headers=headers, body=body, length=size, advance=advance)

    async def post(self, url: str, fields: Mapping[str, str], file: Content, advance: Advance) -> None:
        """Send a whole file as a form (RFC 7578). The caller must hold a slot.

        Raises:
            UploadsvcError: As for `put`.
        """
        boundary = uuid4().hex
        before, after = _form(boundary, fields, file.name or "file")
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        length = len(before) + file.size + len(after)

        async def body() -> AsyncIterator[bytes]:
            yield before
            async for chunk in file.chunks(0, file.size):
                yield chunk
            yield after

        await self._send("POST", url, headers=headers, body=body(), length=length, advance=advance)

    async def get(self, url: str, receiver: Receiver) -> None:
        """Fetch the missing bytes of an object. The caller must hold a slot.

        Raises:
            UploadsvcError: As for `put`; or ``object_changed``.
            OSError: The file cannot be written.
        """
        with self._contact.attempt(url):
            async with self._http.stream(
                "GET", url, headers=receiver.headers, follow_redirects=False
            ) as answer:
                self._contact.reached()
                if not answer.is_success:
                    await answer.aread()
                    raise s3_problem(answer)
                try:
                    receiver.begin(answer)
                except ValueError as error:
                    raise unexpected_answer(error) from None
                # As it is stored: an object may have a Content-Encoding of its own.
                async for chunk in answer.aiter_raw():
                    await receiver.write(chunk)

    async def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: AsyncIterator[bytes],
        length: int,
        advance: Advance,
    ) -> None:
        sent = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal sent
            async for chunk in body:
                self._contact.reached()  # the body is read only once there is a connection
                yield chunk
                sent += len(chunk)
                advance(len(chunk))

        try:
            # With a length httpx does not use chunked transfer encoding, which S3 rejects.
            with self._contact.attempt(url):
                answer = await self._http.request(
                    method,
                    url,
                    content=counted(),
                    headers={**headers, "Content-Length": str(length)},
                    follow_redirects=False,
                )
        except BaseException:
            advance(-sent)
            raise
        self._contact.reached()
        if not answer.is_success:
            advance(-sent)
            raise s3_problem(answer)


def _form(boundary: str, fields: Mapping[str, str], filename: str) -> tuple[bytes, bytes]:
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    # S3 ignores fields after the file, so the file comes last.
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html
    named = filename.translate(_FILE_NAMES)
    lines.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{named}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return "".join(lines).encode(), f"\r\n--{boundary}--\r\n".encode()


_AHEAD: Final = 100
"""URLs to request at a time. They expire, so a long upload cannot request all of them at the start."""

_AHEAD_WITH_CHECKSUMS: Final = 8
"""Fewer with checksums, because each part has to be read before its URL can be signed."""

_MAX_REFUSALS: Final = 3
"""Refusals of a part after which an expired URL is ruled out as the cause."""


class PartSender:
    """Sends the parts of an upload, several at a time, and requests their URLs in advance.

    Args:
        api: Signs parts.
        transfer: Sends parts.
        file: The file.
        upload_id: Upload id.
        layout: Sizes and number of parts.
        signed: Parts that are signed already.
        checksum: Checksum algorithm of the parts, if any.
        advance: Progress callback.
    """

    def __init__(
        self,
        api: UploadsApi,
        transfer: Transfer,
        file: Content,
        *,
        upload_id: str,
        layout: Layout,
        signed: Mapping[int, SignedPart],
        checksum: Algorithm | None,
        advance: Advance,
    ) -> None:
        self._api = api
        self._transfer = transfer
        self._file = file
        self._upload_id = upload_id
        self._layout = layout
        self._signed = dict(signed)
        self._checksum = checksum
        self._advance = advance
        self._waiting = deque[int]()
        self._signing = asyncio.Lock()

    async def send(self, numbers: Sequence[int], parallel: int) -> None:
        """Send parts.

        Args:
            numbers: Part numbers, from 1.
            parallel: Maximum number of concurrent parts.

        Raises:
            UploadsvcError: A part could not be sent; the others are cancelled.
        """
        self._waiting = deque(numbers)
        workers = [asyncio.create_task(self._work()) for _ in range(min(parallel, len(numbers)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self) -> None:
        while self._waiting:
            await self._send_one(self._waiting.popleft())

    async def _send_one(self, number: int) -> None:
        attempts, refusals = self._api.retries.start(), 0
        start, size = self._layout.start_of(number), self._layout.size_of(number)
        while True:
            try:
                async with self._transfer.slots:
                    part = await self._signed_part(number)
                    await self._transfer.put(
                        part.url,
                        part.headers,
                        file=self._file,
                        start=start,
                        size=size,
                        advance=self._advance,
                    )
                break
            except Transient as problem:
                await attempts.failed(problem)
            except Refused as problem:
                # Stores report expired URLs differently; a new URL shows whether that was the cause.
                refusals += 1
                if problem.status != httpx.codes.FORBIDDEN or refusals >= _MAX_REFUSALS:
                    raise
                self._signed.pop(number, None)
        self._signed.pop(number, None)

    async def _signed_part(self, number: int) -> SignedPart:
        async with self._signing:
            now = asyncio.get_running_loop().time()
            self._signed = {n: part for n, part in self._signed.items() if part.usable_until > now}
            if number not in self._signed:
                ahead = _AHEAD_WITH_CHECKSUMS if self._checksum else _AHEAD
                following = (n for n in self._waiting if n not in self._signed)
                await self._sign([number, *islice(following, ahead - 1)])
            return self._signed[number]

    async def _sign(self, numbers: list[int]) -> None:
        checksums = None
        if self._checksum is not None:
            layout = self._layout
            checksums = [
                await self._file.checksum(self._checksum, layout.start_of(n), layout.size_of(n))
                for n in numbers
            ]
        signed = await self._api.sign(self._upload_id, numbers, checksums)
        if numbers[0] not in signed:
            raise unexpected_answer(KeyError(numbers[0]))
        self._signed |= signed
