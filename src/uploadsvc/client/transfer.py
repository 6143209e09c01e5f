"""The bytes on their way to S3: streamed from the file, never held as a whole."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final
from uuid import uuid4

import httpx

from uploadsvc.client.errors import Lost, of_s3
from uploadsvc.client.file import Source

Moved = Callable[[int], None]
"""Is told how many more bytes were sent, and, by a negative number, that some have to be sent again."""

_FILE_NAMES: Final = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
"""https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data"""


class Transfer:
    """Sends ranges of files, so many at once.

    Args:
        http: Speaks to S3.
        parallel: The most requests under way, of all files together.
    """

    def __init__(self, http: httpx.AsyncClient, parallel: int) -> None:
        self._http = http
        self.slots = asyncio.Semaphore(parallel)

    async def put(
        self, url: str, headers: Mapping[str, str], *, source: Source, start: int, size: int, moved: Moved
    ) -> None:
        """Send a range by PUT. The caller holds a slot.

        Raises:
            Transient: The line broke, or S3 is busy.
            Refused: S3 refuses it.
            UploadProblem: The file cannot be read any more.
        """
        body = source.chunks(start, size)
        await self._send("PUT", url, headers=headers, body=body, length=size, moved=moved)

    async def post(self, url: str, fields: Mapping[str, str], source: Source, moved: Moved) -> None:
        """Send a whole file as a form (RFC 7578). The caller holds a slot.

        Raises:
            UploadProblem: As for `put`.
        """
        boundary = uuid4().hex
        before, after = _form(boundary, fields, source.name)
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        length = len(before) + source.size + len(after)

        async def body() -> AsyncIterator[bytes]:
            yield before
            async for chunk in source.chunks(0, source.size):
                yield chunk
            yield after

        await self._send("POST", url, headers=headers, body=body(), length=length, moved=moved)

    async def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: AsyncIterator[bytes],
        length: int,
        moved: Moved,
    ) -> None:
        sent = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal sent
            async for chunk in body:
                yield chunk
                sent += len(chunk)
                moved(len(chunk))

        try:
            # With a length httpx sends the body as it is, not in HTTP's chunks, which S3 does not take.
            answer = await self._http.request(
                method, url, content=counted(), headers={**headers, "Content-Length": str(length)}
            )
        except BaseException as error:
            moved(-sent)
            if isinstance(error, httpx.TransportError):
                whom = "S3"
                raise Lost(whom, error) from None
            raise
        if not answer.is_success:
            moved(-sent)
            raise of_s3(answer)


def _form(boundary: str, fields: Mapping[str, str], filename: str) -> tuple[bytes, bytes]:
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    # S3 ignores what comes after the file: it has to be the last field.
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html
    named = filename.translate(_FILE_NAMES)
    lines.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{named}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return "".join(lines).encode(), f"\r\n--{boundary}--\r\n".encode()
