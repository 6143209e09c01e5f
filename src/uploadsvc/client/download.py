"""Bytes of one object on their way into a file. A download that breaks off goes on where it stopped."""

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
    """A file that takes an object's bytes, and remembers how many have arrived of which version.

    Args:
        file: The file, at the place where the next byte goes. Only a seekable file can start over.
        done: Bytes that an earlier run has written.
        etag: ETag of the object without quotes, if it is known.
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
        """Headers that ask for the bytes that are missing, as they are stored."""
        # A proxy may compress what it passes on.
        headers = {"Accept-Encoding": "identity"}
        return {**headers, "Range": f"bytes={self.done}-"} if self.done else headers

    def begin(self, answer: httpx.Response) -> None:
        """Take the head of a response.

        Raises:
            UploadsvcError: ``object_changed``: it is another version of the object than before.
            ValueError: The response has another range than was asked for.
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
                message = "not the range that was asked for"
                raise ValueError(message)
            self._skip = 0

    async def write(self, chunk: bytes) -> None:
        """Write the bytes of a chunk that have not arrived before.

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
        """Return whether the missing bytes can be told from those of another version of the object."""
        return self.done == 0 or self.etag is not None

    def start_over(self) -> None:
        """Forget what has arrived.

        Raises:
            UploadsvcError: ``object_changed``: what was written cannot be taken back.
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
