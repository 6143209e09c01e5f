"""Write one object to a file. An interrupted download resumes where it stopped."""

import asyncio
import re
from collections.abc import Callable
from typing import IO, Final

import httpx

from uploadsvc.client.errors import UploadsvcError

_FROM: Final = re.compile(r"bytes (\d{1,19})-")

Advance = Callable[[int], None]
"""Called with the number of bytes just written; negative if the download starts over."""


def _ignore(_count: int) -> None:
    return None


class Receiver:
    """Writes an object's bytes to a file, and tracks how many have arrived and their version.

    Args:
        file: The file, positioned at the next byte. Only seekable files can start over.
        done: Bytes written by an earlier run.
        etag: ETag of the object without quotes, if known.
        advance: Progress callback.
    """

    def __init__(
        self, file: IO[bytes], *, done: int = 0, etag: str | None = None, advance: Advance = _ignore
    ) -> None:
        self._file = file
        self._start = file.tell() - done if file.seekable() else None
        self._skip = 0
        self._advance = advance
        self.done = done
        self.etag = etag

    @property
    def headers(self) -> dict[str, str]:
        """Headers that request the missing bytes, without compression."""
        # Proxies may compress responses.
        headers = {"Accept-Encoding": "identity"}
        return {**headers, "Range": f"bytes={self.done}-"} if self.done else headers

    def begin(self, answer: httpx.Response) -> None:
        """Take the head of a response.

        Raises:
            UploadsvcError: ``object_changed``: the object's version differs from before.
            ValueError: The response has a different range than requested.
        """
        etag = answer.headers.get("ETag", "").removeprefix("W/").strip('"') or None
        if self.etag is not None and etag is not None and etag != self.etag:
            raise _changed()
        self.etag = self.etag or etag
        # Servers may ignore Range (RFC 9110, section 14.2).
        self._skip = self.done
        if answer.status_code == httpx.codes.PARTIAL_CONTENT:
            found = _FROM.match(answer.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != self.done:
                message = "not the requested range"
                raise ValueError(message)
            self._skip = 0

    async def write(self, chunk: bytes) -> None:
        """Write the new bytes of a chunk.

        Raises:
            OSError: The file cannot be written.
        """
        new = chunk[self._skip :]
        self._skip -= len(chunk) - len(new)
        if new:
            await asyncio.to_thread(self._file.write, new)
            self.done += len(new)
            self._advance(len(new))

    def can_go_on(self) -> bool:
        """Return whether a change of the object would be noticed."""
        return self.done == 0 or self.etag is not None

    def start_over(self) -> None:
        """Discard the bytes that have arrived.

        Raises:
            UploadsvcError: ``object_changed``: the written bytes cannot be discarded.
        """
        if self._start is not None:
            self._file.seek(self._start)
            self._file.truncate()
            self._advance(-self.done)
        elif self.done:
            raise _changed()
        self.done, self.etag = 0, None


def _changed() -> UploadsvcError:
    return UploadsvcError("object_changed", "The object was replaced while it was being downloaded.")
