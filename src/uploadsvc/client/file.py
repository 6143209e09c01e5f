"""A file to be sent: opened once, read piece by piece at any place, known again by its fingerprint."""

import asyncio
import base64
import hashlib
import os
import stat
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from uploadsvc.client.errors import UploadProblem

CHUNK: Final = 256 * 1024
"""So many bytes are read, and held in memory, at once by each request."""


class Algorithm(StrEnum):
    """The checksums that this program computes."""

    SHA256 = "sha256"
    CRC32 = "crc32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a file is known by without reading it.

    Attributes:
        path: Absolute.
        size: Bytes.
        mtime_ns: When it was last written to, unless somebody has set it back.
        ctime_ns: When the system last changed anything of it, which nobody can set.
        inode: Which file it is; another one may be put in its place by a rename.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An open file.

    Attributes:
        fingerprint: As it was when it was opened.
        name: Its own name, as Unicode, whatever bytes the file system has for it.
    """

    fingerprint: Fingerprint
    name: str
    _descriptor: int

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.fingerprint.size

    async def chunks(self, start: int, size: int) -> AsyncIterator[bytes]:
        """Read a range, `CHUNK` bytes at a time.

        Raises:
            UploadProblem: ``file_changed``: it has become shorter; ``file_unreadable``: the disk fails.
        """
        end = start + size
        while start < end:
            try:
                chunk = await asyncio.to_thread(os.pread, self._descriptor, min(CHUNK, end - start), start)
            except OSError as error:
                raise _unreadable(error) from None
            if not chunk:
                raise _changed()
            start += len(chunk)
            yield chunk

    async def checksum(self, algorithm: Algorithm, start: int, size: int) -> str:
        """Return the checksum of a range, in base64."""
        if algorithm is Algorithm.CRC32:
            crc = 0
            async for chunk in self.chunks(start, size):
                crc = await asyncio.to_thread(zlib.crc32, chunk, crc)
            return base64.b64encode(crc.to_bytes(4, "big")).decode()
        digest = hashlib.sha256()
        async for chunk in self.chunks(start, size):
            await asyncio.to_thread(digest.update, chunk)
        return base64.b64encode(digest.digest()).decode()

    def check_unchanged(self) -> None:
        """Make sure that what was sent is one state of the file.

        Raises:
            UploadProblem: ``file_changed``: it was written to meanwhile.
        """
        if _fingerprint(self.fingerprint.path, os.fstat(self._descriptor)) != self.fingerprint:
            raise _changed()


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Open a file for as long as it takes to send it.

    Raises:
        UploadProblem: ``file_not_found``, ``not_a_file`` or ``file_unreadable``.
    """
    try:
        # A pipe that nobody writes to would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        code, detail = "file_not_found", "There is no such file."
        raise UploadProblem(code, detail) from None
    except OSError as error:
        raise _unreadable(error) from None
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            code, detail = "not_a_file", "This is a directory; name the files in it."
            raise UploadProblem(code, detail)
        if not stat.S_ISREG(found.st_mode):
            code, detail = "not_a_file", "This is no regular file, so its size is not known."
            raise UploadProblem(code, detail)
        absolute = os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps "..", which makes two of one
        name = os.fsencode(path.name).decode(errors="replace")
        yield Source(fingerprint=_fingerprint(absolute, found), name=name, _descriptor=descriptor)
    finally:
        os.close(descriptor)


def _fingerprint(path: str, found: os.stat_result) -> Fingerprint:
    return Fingerprint(
        path=path,
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        ctime_ns=found.st_ctime_ns,
        inode=found.st_ino,
    )


def _changed() -> UploadProblem:
    return UploadProblem("file_changed", "The file was changed while it was being sent.")


def _unreadable(error: OSError) -> UploadProblem:
    return UploadProblem("file_unreadable", f"The file cannot be read: {error.strerror}.")
