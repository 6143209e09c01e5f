"""Find the files to upload: given files, and all files in given folders."""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file to upload.

    Attributes:
        path: Path of the file.
        relative_key: Key that preserves the path within a given folder; ``None`` for a given file.
        filename: Filename with its folders, if the policy accepts no key but preserves folders.
    """

    path: Path
    relative_key: str | None = None
    filename: str | None = None


def sources(paths: Iterable[Path], *, prefix: str | None) -> list[Source]:
    """Return the given files, and all files below given folders. Does not follow links to folders.

    Args:
        paths: Files and folders.
        prefix: Prefix for the keys of a folder's files; by default the folder's name.
    """
    found: dict[str, Source] = {}
    for path in paths:
        listed = _files_below(path, prefix) if path.is_dir() else [Source(path=path)]
        for source in listed:
            # A file given twice is uploaded once: two uploads would share a state file.
            found.setdefault(absolute(source.path), source)
    return list(found.values())


def absolute(path: Path) -> str:
    """Return the absolute path of a file."""
    return os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps "..", which would make one file two


def _files_below(folder: Path, prefix: str | None) -> Iterator[Source]:
    unreadable: list[OSError] = []
    start = _segment(Path(absolute(folder)).name) if prefix is None else prefix
    for root, folders, names in os.walk(folder, onerror=unreadable.append):
        folders.sort()
        for name in sorted(names):
            path = Path(root, name)
            inside = map(_segment, path.relative_to(folder).parts)
            yield Source(path=path, relative_key="/".join(filter(None, (start, *inside))))
    # Opening it will fail again and report the error.
    yield from (Source(path=Path(error.filename)) for error in unreadable)


def _segment(name: str) -> str:
    """Convert a name to a key segment: in NFC, without characters that keys must not contain."""
    text = unicodedata.normalize("NFC", os.fsencode(name).decode(errors="replace"))
    return "".join("_" if c in "\\\ufffe\uffff" or unicodedata.category(c) == "Cc" else c for c in text)
