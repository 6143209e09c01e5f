"""Local files: opened once, read in chunks at any offset, identified by a fingerprint."""

import asyncio
import base64
import hashlib
import os
import stat
import zlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from uploadsvc.client.errors import UploadsvcError

CHUNK: Final = 256 * 1024
"""Chunk size in bytes. Each request keeps one chunk in memory."""


class Algorithm(StrEnum):
    """Checksums that the client computes."""

    SHA256 = "sha256"
    CRC32 = "crc32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """Identity and state of a file, found without reading it.

    Attributes:
        path: Absolute path.
        size: Size in bytes.
        mtime_ns: Time of the last write, in nanoseconds; a program can set it back.
        ctime_ns: Time of the last change of data or metadata, in nanoseconds; no program can set it.
        inode: Inode number; a rename can put another file at the same path.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class Content(ABC):
    """Bytes of known size, readable at any offset and repeatedly."""

    @property
    @abstractmethod
    def name(self) -> str:
        """File name; empty if there is none."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Size in bytes."""

    @abstractmethod
    def chunks(self, start: int, size: int) -> AsyncIterator[bytes]:
        """Read a range, in chunks.

        Raises:
            UploadsvcError: The bytes cannot be read.
        """

    @abstractmethod
    def check_unchanged(self) -> None:
        """Check that the bytes have not changed since the upload began.

        Raises:
            UploadsvcError: They have changed.
        """

    @property
    def fingerprint(self) -> "Fingerprint | None":
        """Identifies a file in a later run; ``None`` if it cannot be identified."""
        return None

    async def checksum(self, algorithm: Algorithm, start: int, size: int) -> str:
        """Return the checksum of a range of bytes, in base64."""
        if algorithm is Algorithm.CRC32:
            crc = 0
            async for chunk in self.chunks(start, size):
                crc = await asyncio.to_thread(zlib.crc32, chunk, crc)
            return base64.b64encode(crc.to_bytes(4, "big")).decode()
        digest = hashlib.sha256()
        async for chunk in self.chunks(start, size):
            await asyncio.to_thread(digest.update, chunk)
        return base64.b64encode(digest.digest()).decode()


class LocalFile(Content):
    """An open file.

    Args:
        fingerprint: Fingerprint taken when the file was opened.
        name: File name as Unicode, with bytes that are not UTF-8 replaced.
        descriptor: Descriptor of the open file.
    """

    def __init__(self, fingerprint: Fingerprint, name: str, descriptor: int) -> None:
        self._fingerprint = fingerprint
        self._name = name
        self._descriptor = descriptor

    @property
    def name(self) -> str:
        """File name as Unicode."""
        return self._name

    @property
    def fingerprint(self) -> Fingerprint:
        """Fingerprint taken when the file was opened."""
        return self._fingerprint

    @property
    def size(self) -> int:
        """Size in bytes when the file was opened."""
        return self.fingerprint.size

    async def chunks(self, start: int, size: int) -> AsyncIterator[bytes]:
        """Read a range, `CHUNK` bytes at a time.

        Raises:
            UploadsvcError: ``file_changed`` if the file became shorter, ``not_a_file`` if its size is wrong,
                ``file_unreadable`` if reading fails.
        """
        end = start + size
        while start < end:
            chunk = await asyncio.to_thread(_read, self._descriptor, min(CHUNK, end - start), start)
            if not chunk:
                self.check_unchanged()
                raise _not_its_size()
            start += len(chunk)
            yield chunk

    def check_unchanged(self) -> None:
        """Check that the file has not changed since it was opened, and ends at its size.

        Raises:
            UploadsvcError: ``file_changed`` if it was changed in the meantime, ``not_a_file`` if its size
                is wrong, ``file_unreadable`` if reading fails.
        """
        beyond = _read(self._descriptor, 1, self.size)
        if _fingerprint(self.fingerprint.path, os.fstat(self._descriptor)) != self.fingerprint:
            raise _changed()
        if beyond:
            raise _not_its_size()


@contextmanager
def open_file(path: Path) -> Iterator[LocalFile]:
    """Open a regular file for reading, and close it at the end of the block.

    Raises:
        UploadsvcError: ``file_not_found``, ``not_a_file`` or ``file_unreadable``.
    """
    try:
        # Without O_NONBLOCK, opening a pipe that has no writer would block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        code, detail = "file_not_found", "There is no such file."
        raise UploadsvcError(code, detail) from None
    except OSError as error:
        raise _unreadable(error) from None
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            code, detail = "not_a_file", "This is a directory; name the files in it."
            raise UploadsvcError(code, detail)
        if not stat.S_ISREG(found.st_mode):
            code, detail = "not_a_file", "This is not a regular file, so its size is unknown."
            raise UploadsvcError(code, detail)
        absolute = os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps "..", which makes two of one
        name = os.fsencode(path.name).decode(errors="replace")
        file = LocalFile(_fingerprint(absolute, found), name, descriptor)
        file.check_unchanged()
        yield file
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


def _read(descriptor: int, size: int, start: int) -> bytes:
    try:
        return os.pread(descriptor, size, start)
    except OSError as error:
        raise _unreadable(error) from None


def _changed() -> UploadsvcError:
    return UploadsvcError("file_changed", "The file changed while it was being sent.")


def _not_its_size() -> UploadsvcError:
    # Files in /proc and /sys are generated on reading; in /proc, their size is 0.
    detail = "The file does not have the size that the system gives for it; upload a copy of it."
    return UploadsvcError("not_a_file", detail)


def _unreadable(error: OSError) -> UploadsvcError:
    return UploadsvcError("file_unreadable", f"The file cannot be read: {error.strerror}.")
