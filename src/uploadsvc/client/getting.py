"""``uploadsvc get``: download objects to files, which appear when complete, or to standard output."""

import asyncio
import errno
import fcntl
import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from uploadsvc.client.connection import Connection
from uploadsvc.client.display import Display, FileDisplay
from uploadsvc.client.download import Receiver
from uploadsvc.client.errors import UploadsvcError
from uploadsvc.client.keys import Keys
from uploadsvc.client.models import ListedObject, StoredObject
from uploadsvc.client.objects import AsyncObjects

Found = StoredObject | ListedObject
Parts = tuple[str, ...]
"""Names of the folders and the file."""

STANDARD_OUTPUT: Final = "-"

_MD5: Final = re.compile("[0-9a-f]{32}")
_NO_NAMES: Final = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True, kw_only=True)
class Getting:
    """Objects to download, and their destination.

    Attributes:
        keys: Keys; prefixes of keys if ``recursive``.
        recursive: Download all objects with these prefixes, and keep their folders.
        to: File, folder or `STANDARD_OUTPUT`; ``None`` for the current folder.
        overwrite: Replace existing files.
    """

    keys: Sequence[str]
    recursive: bool = False
    to: str | None = None
    overwrite: bool = False

    async def run(self, connection: Connection, display: Display) -> int:
        """Download, and return the exit status."""
        async with connection.session(display.tell) as session:
            objects = AsyncObjects(session)
            found, complete = await self._found(objects, display)
            if self.to == STANDARD_OUTPUT:
                return 0 if found and await _print(objects, found[0][0], display) else 1
            if not found and complete:
                display.tell("there is nothing to download")
            display.expect(one.size for one, _ in found)
            fetched = await self._fetch(objects, found, connection.parallel, display)
        return 0 if complete and all(fetched) else 1

    async def _found(self, objects: AsyncObjects, display: Display) -> tuple[list[tuple[Found, Parts]], bool]:
        """Return objects with the parts of their paths, and whether every key has objects."""
        keys, complete = Keys(objects), True
        # An object that matches two keys is downloaded once.
        found: dict[tuple[str, Parts], tuple[Found, Parts]] = {}
        for key in self.keys:
            try:
                if self.recursive:
                    listed = await _below(objects, keys, key)
                else:
                    stored = await keys.find(key)
                    listed = [(stored, (stored.key.rpartition("/")[2],))]
            except UploadsvcError as problem:
                display.failed(key, problem)
                complete = False
            else:
                found.update({(one.key, parts): (one, parts) for one, parts in listed})
        return list(found.values()), complete

    async def _fetch(
        self,
        objects: AsyncObjects,
        found: Sequence[tuple[Found, Parts]],
        parallel: int,
        display: Display,
    ) -> list[bool]:
        turns, taken = asyncio.Semaphore(parallel), set[Path]()
        # Under SSE-KMS they look the same, but are not.
        etags_are_md5 = True

        async def fetch(one: Found, parts: Parts) -> bool:
            nonlocal etags_are_md5
            async with turns:
                try:
                    path = self._path(parts)
                    if path in taken:
                        detail = "Another object in this command has the same file name."
                        raise _exists(detail)
                    taken.add(path)
                    already = replaced = _is_there(path, one, overwrite=self.overwrite)
                    if already and etags_are_md5:
                        already = await asyncio.to_thread(_may_be, path, one)
                    if already:
                        shown = display.file(one.key, one.size)
                        shown.reset(one.size)
                        shown.end()
                    else:
                        await _save(objects, one, path, display)
                        if replaced and not await asyncio.to_thread(_may_be, path, one):
                            # Download only this one in vain.
                            etags_are_md5 = False
                except UploadsvcError as problem:
                    display.failed(one.key, problem)
                    return False
                except OSError as error:
                    display.failed(one.key, _unwritable(error))
                    return False
                line = f"{one.key} -> {path}{' (already there)' if already else ''}"
                document = {"key": one.key, "file": str(path), "size": one.size, "etag": one.etag}
                display.result(line, document)
                return True

        tasks = [asyncio.create_task(fetch(one, parts)) for one, parts in found]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _path(self, parts: Parts) -> Path:
        to = Path(self.to or ".")
        into = self.to is None or self.recursive or len(self.keys) > 1 or self.to.endswith("/") or to.is_dir()
        return path_in(to, parts) if into else to


async def _below(objects: AsyncObjects, keys: Keys, key: str) -> list[tuple[Found, Parts]]:
    start, prefix = await keys.relative(key), await keys.prefix()
    # Folders before the last one of the start are not kept, as `cp -r a/b .` makes b.
    folder, slash, _ = start.rstrip("/").rpartition("/")
    above = len(prefix + folder + slash) if prefix else 0
    return [
        (one, tuple(one.key[above:].split("/")))
        async for one in objects.list(prefix=start)
        # Some programs store an empty object for a folder.
        if one.size or not one.key.endswith("/")
    ]


def path_in(folder: Path, parts: Parts) -> Path:
    """Return the path of a file in a folder. Neither keys nor links can lead out of the folder.

    Raises:
        UploadsvcError: ``unsafe_key``.
    """
    if not _NO_NAMES.isdisjoint(parts) or any("\0" in part for part in parts):
        detail = "The key is not a valid path: a part of it is empty, '.' or '..'. Choose a file with --to."
        code = "unsafe_key"
        raise UploadsvcError(code, detail)
    path = folder.joinpath(*parts)
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        code, detail = "unsafe_key", "A link leads out of the folder; no file is written through it."
        raise UploadsvcError(code, detail)
    return path


async def _save(objects: AsyncObjects, one: Found, path: Path, display: Display) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        # A file, in place of a folder.
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
    version = hashlib.sha256(f"{one.key}\0{one.etag}".encode()).hexdigest()[:16]
    shown = display.file(one.key, one.size)
    try:
        # Another version of the object has another partial file.
        partial = path.with_name(f".uploadsvc-{version}.part")
        with _locked(partial) as file:
            done = file.tell() if file.tell() <= one.size else 0
            file.truncate(done)
            if done:
                shown.say(f"resuming after {done} of {one.size} bytes")
            shown.reset(done)
            receiver = Receiver(file, done=done, etag=one.etag, size=one.size, advance=shown.advance)
            await _receive(objects, one, receiver)
            file.flush()
            stored = one.last_modified
            if stored is not None:
                os.utime(file.fileno(), (stored.timestamp(), stored.timestamp()))
            partial.replace(path)
    finally:
        shown.end()


async def _receive(objects: AsyncObjects, one: Found, receiver: Receiver) -> None:
    if receiver.done < one.size or not one.size:
        await objects.receive(one.key, receiver)


async def _print(objects: AsyncObjects, one: Found, display: Display) -> bool:
    shown: FileDisplay = display.file(one.key, one.size)
    try:
        receiver = Receiver(sys.stdout.buffer, etag=one.etag, size=one.size, advance=shown.advance)
        await _receive(objects, one, receiver)
        sys.stdout.buffer.flush()
    except UploadsvcError as problem:
        display.failed(one.key, problem)
        return False
    finally:
        shown.end()
    return True


@contextmanager
def _locked(partial: Path) -> Iterator[IO[bytes]]:
    """Open a partial file at its end, for this process alone. Empty ones are removed.

    Raises:
        UploadsvcError: ``file_exists``: another process is downloading the object to the same file, or
            the partial file is something else.
        OSError: The file cannot be opened.
    """
    with _opened(partial) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            detail = "Another command is downloading the object to the same file."
            raise _exists(detail) from None
        if not partial.exists() or not os.path.samestat(os.fstat(file.fileno()), partial.lstat()):
            detail = "Another command has just downloaded the object to the same file."
            raise _exists(detail)
        try:
            yield file
        except BaseException as error:
            file.flush()
            changed = isinstance(error, UploadsvcError) and error.code == "object_changed"
            if changed or not os.fstat(file.fileno()).st_size:
                partial.unlink(missing_ok=True)
            raise


def _opened(partial: Path) -> IO[bytes]:
    # Whoever can write to the folder could put a link there, to a file elsewhere; a FIFO would block.
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(partial, flags, 0o666)
    except OSError:
        if os.path.lexists(partial) and not stat.S_ISREG(partial.lstat().st_mode):
            raise _not_ours(partial) from None
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        raise _not_ours(partial)
    return os.fdopen(descriptor, "ab")


def _not_ours(partial: Path) -> UploadsvcError:
    return _exists(f"{partial} is a link, or not a regular file; remove it.")


def _is_there(path: Path, one: Found, *, overwrite: bool) -> bool:
    """Return whether an earlier command has downloaded an object, judging by size and time.

    Raises:
        UploadsvcError: ``file_exists``: something else is there, and is not to be replaced.
    """
    if path.exists() and not path.is_file():
        detail = f"{path} is not a regular file, so it is not replaced."
        raise _exists(detail)
    if overwrite or not os.path.lexists(path):
        return False
    if path.is_symlink():
        detail = f"{path} is a link; use --overwrite to replace the link itself."
        raise _exists(detail)
    found, stored = path.stat(), one.last_modified
    if found.st_size == one.size and stored is not None and int(found.st_mtime) == int(stored.timestamp()):
        return True
    detail = f"{path} is a different file; use --overwrite to replace it."
    raise _exists(detail)


def _may_be(path: Path, one: Found) -> bool:
    """Return whether a file can have an ETag; of objects stored in one request, it is usually the MD5."""
    if not _MD5.fullmatch(one.etag):
        return True
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return md5.hexdigest() == one.etag


def _exists(detail: str) -> UploadsvcError:
    return UploadsvcError("file_exists", detail)


def _unwritable(error: OSError) -> UploadsvcError:
    return UploadsvcError("file_unwritable", f"The file cannot be written: {error.strerror}.")
