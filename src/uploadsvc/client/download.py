"""Write one object to a file. An interrupted download resumes where it stopped."""

import asyncio
import re
from collections.abc import Callable
from typing import IO, Final

import httpx

from uploadsvc.client.errors import Transient, UploadsvcError

_RANGE: Final = re.compile(r"bytes ([0-9]{1,19})-[0-9]{1,19}/([0-9]{1,19}|\*)")
_LENGTH: Final = re.compile(r"[0-9]{1,19}")

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
        size: Size of the object in bytes, if known.
        advance: Progress callback.
    """

    def __init__(
        self,
        file: IO[bytes],
        *,
        done: int = 0,
        etag: str | None = None,
        size: int | None = None,
        advance: Advance = _ignore,
    ) -> None:
        self._file = file
        self._start = file.tell() - done if file.seekable() else None
        self._skip = 0
        self._advance = advance
        self.done = done
        self.etag = etag
        self.size = size

    @property
    def headers(self) -> dict[str, str]:
        """Headers that request the missing bytes, without compression."""
        # Proxies may compress responses.
        headers = {"Accept-Encoding": "identity"}
        return {**headers, "Range": f"bytes={self.done}-"} if self.done else headers

    def begin(self, answer: httpx.Response) -> None:
        """Take the head of a response.

        Raises:
            UploadsvcError: ``object_changed``: the object's version or size differs from before.
            ValueError: The response has a different range than requested.
        """
        etag = answer.headers.get("ETag", "").removeprefix("W/").strip('"') or None
        if self.etag is not None and etag is not None and etag != self.etag:
            raise _changed()
        self.etag = self.etag or etag
        # Servers may ignore Range (RFC 9110, section 14.2).
        self._skip, size = self.done, answer.headers.get("Content-Length", "")
        if answer.status_code == httpx.codes.PARTIAL_CONTENT:
            found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != self.done:
                message = "not the requested range"
                raise ValueError(message)
            self._skip, size = 0, found[2]
        if _LENGTH.fullmatch(size):
            if self.size not in {None, int(size)}:
                raise _changed()
            self.size = int(size)

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

    def shortfall(self) -> Transient | None:
        """Return the problem if bytes are missing after a response that looked whole.

        Raises:
            UploadsvcError: ``object_changed``: there are too many.
        """
        if self.size is None or self.done == self.size:
            return None
        if self.done > self.size:
            raise _changed()
        code, detail = "s3_unavailable", f"S3 sent only {self.done} of {self.size} bytes."
        return Transient(code, detail)

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
        self.done, self.etag, self.size = 0, None, None


def _changed() -> UploadsvcError:
    return UploadsvcError("object_changed", "The object was replaced while it was being downloaded.")
