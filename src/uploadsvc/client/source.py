"""Upload sources: bytes, paths, binary files and iterators of bytes."""

import io
import os
import tempfile
import threading
from asyncio import Future, get_running_loop, to_thread
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterable, Iterator
from contextlib import asynccontextmanager
from inspect import isawaitable
from pathlib import Path
from typing import IO, Final, Protocol, TypeGuard

from uploadsvc.client.errors import UploadsvcError
from uploadsvc.client.file import CHUNK, Content, open_file


class Reader(Protocol):
    """A binary file, or an object with its methods."""

    def read(self, size: int, /) -> bytes | Awaitable[bytes]:
        """Return at most ``size`` bytes; none at the end."""


Source = (
    bytes
    | bytearray
    | memoryview
    | str
    | os.PathLike[str]
    | IO[bytes]
    | Reader
    | Iterable[bytes]
    | AsyncIterable[bytes]
)
"""Source of an upload. A ``str`` is a path."""

IN_MEMORY: Final = 8 * 1024**2
"""Maximum bytes of an iterator to keep in memory; more go to a temporary file."""


_END: Final = object()
"""End of an iterator. ``None`` could be one of its pieces."""


class MemoryContent(Content):
    """Bytes in memory."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data).cast("B")

    @property
    def name(self) -> str:
        """No name."""
        return ""

    @property
    def size(self) -> int:
        """Size in bytes."""
        return len(self._data)

    async def chunks(self, start: int, size: int) -> AsyncIterator[bytes]:
        """Return a range, `CHUNK` bytes at a time."""
        for at in range(start, start + size, CHUNK):
            yield bytes(self._data[at : min(at + CHUNK, start + size)])

    def check_unchanged(self) -> None:
        """Nothing to check: an exported buffer cannot be resized."""


class FileContent(Content):
    """A seekable binary file, from its current position.

    Args:
        file: The file. It is not closed.
        start: Offset of the first byte to send.
        size: Number of bytes to send.
    """

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Last part of the file's name, if it has one."""
        name = getattr(self._file, "name", None)
        return os.path.basename(name) if isinstance(name, str) else ""  # noqa: PTH119 - may be no path

    @property
    def size(self) -> int:
        """Size in bytes when the upload began."""
        return self._size

    async def chunks(self, start: int, size: int) -> AsyncIterator[bytes]:
        """Read a range, `CHUNK` bytes at a time.

        Raises:
            UploadsvcError: ``file_changed`` if the file became shorter, ``file_unreadable`` if reading fails.
        """
        end = start + size
        while start < end:
            chunk = await to_thread(self._read, start, min(CHUNK, end - start))
            if not chunk:
                raise _changed()
            start += len(chunk)
            yield chunk

    def check_unchanged(self) -> None:
        """Check that the size of the file has not changed.

        Raises:
            UploadsvcError: ``file_changed`` or ``file_unreadable``.
        """
        if self._read(self._size, 1) or (self._size and not self._read(self._size - 1, 1)):
            raise _changed()

    def _read(self, start: int, size: int) -> bytes:
        with self._lock:
            try:
                self._file.seek(self._start + start)
                return self._file.read(size)
            except OSError as error:
                detail = f"The file cannot be read: {error.strerror or type(error).__name__}."
                code = "file_unreadable"
                raise UploadsvcError(code, detail) from None


@asynccontextmanager
async def opened(source: Source) -> AsyncIterator[Content]:
    """Open a source for an upload.

    S3 needs the size in advance, and a retry sends bytes again. So an iterator is read to its end first, into
    memory or, above `IN_MEMORY`, into an anonymous temporary file.

    Raises:
        UploadsvcError: A file cannot be opened or read.
        TypeError: The source has an unsupported type, or gives something other than bytes.
        BlockingIOError: The source is in non-blocking mode and has no bytes yet.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        yield MemoryContent(source)
    elif isinstance(source, (str, os.PathLike)):
        with open_file(Path(source)) as file:
            yield file
    elif _is_file(source):
        start = source.tell()
        size = source.seek(0, os.SEEK_END) - start
        yield FileContent(source, start, max(0, size))
    else:
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
            size = 0
            async for chunk in _pieces(source):
                await to_thread(spool.write, chunk)
                size += len(chunk)
            yield FileContent(spool, 0, size)


async def piped(descriptor: int) -> AsyncIterator[bytes]:
    """Read a pipe or a terminal to its end. Unlike a thread that waits for bytes, this can be cancelled.

    Raises:
        UploadsvcError: ``file_unreadable``.
    """
    while True:
        await readable(descriptor)
        try:
            chunk = os.read(descriptor, CHUNK)
        except OSError as error:
            detail = f"Standard input cannot be read: {error.strerror}."
            code = "file_unreadable"
            raise UploadsvcError(code, detail) from None
        if not chunk:
            return
        yield chunk


async def readable(descriptor: int) -> None:
    """Wait until a pipe or a terminal has something to read."""
    loop = get_running_loop()
    ready: Future[None] = loop.create_future()

    def note() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, note)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


def _is_file(source: object) -> TypeGuard[IO[bytes]]:
    if isinstance(source, io.TextIOBase):
        message = "open the file in binary mode"
        raise TypeError(message)
    return hasattr(source, "read") and hasattr(source, "seekable") and source.seekable() is True


async def _pieces(source: object) -> AsyncIterator[bytes]:
    chunk: object
    if hasattr(source, "read"):
        while chunk := _checked(await _read(source)):
            yield chunk
    elif isinstance(source, AsyncIterable):
        async for chunk in source:
            yield _checked(chunk)
    elif isinstance(source, Iterable):
        iterator: Iterator[object] = iter(source)
        while (chunk := await to_thread(next, iterator, _END)) is not _END:
            yield _checked(chunk)
    else:
        message = f"cannot upload {type(source).__name__}: give bytes, a path, a binary file or an iterator"
        raise TypeError(message)


async def _read(source: Reader) -> object:
    read: object = await to_thread(source.read, CHUNK)
    if isawaitable(read):
        read = await read
    if read is None:
        # Only b"" is the end (io.RawIOBase.read).
        message = "the source is non-blocking and has no bytes yet; give one that waits for them"
        raise BlockingIOError(message)
    return read


def _checked(chunk: object) -> bytes:
    if not isinstance(chunk, (bytes, bytearray, memoryview)):
        message = f"a source must give bytes, not {type(chunk).__name__}"
        raise TypeError(message)
    return bytes(chunk)


def _changed() -> UploadsvcError:
    return UploadsvcError("file_changed", "The file changed while it was being sent.")
