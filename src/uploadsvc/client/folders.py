"""Find the files to upload: from files, folders and patterns."""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Final

from uploadsvc.client.patterns import ALL, Filter, is_glob, is_hidden, parted, regex_of

STANDARD_INPUT: Final = "-"
"""Stands for standard input. ``./-`` is a file, so this is no `Path`, which would drop the ``./``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file to upload.

    Attributes:
        path: Path of the file.
        relative_key: Key that preserves the path within a given folder; ``None`` for a given file.
        filename: Filename with its folders, if the policy accepts no key but preserves folders.
        is_standard_input: Whether to read standard input instead of a file.
    """

    path: Path
    relative_key: str | None = None
    filename: str | None = None
    is_standard_input: bool = False


def sources(names: Iterable[str], *, prefix: str | None, chosen: Filter = ALL) -> list[Source]:
    """Return the named files, and the chosen files below named folders. Links to folders are not followed.

    Args:
        names: Files, folders, and patterns of either; or `STANDARD_INPUT`. A pattern with ``**`` is the
            folder before it, of which it chooses files.
        prefix: Start of the keys of a folder's files; by default the folder's name.
        chosen: Chooses files.
    """
    found: dict[str, Source] = {}
    for name in names:
        for source in _named(name, prefix, chosen):
            # A file named twice is uploaded once: two uploads would share one state file.
            found.setdefault(absolute(source.path), source)
    return list(found.values())


def absolute(path: Path) -> str:
    """Return the absolute path of a file."""
    return os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps "..", which would make one file two


def _named(name: str, prefix: str | None, chosen: Filter) -> Iterator[Source]:
    path = Path(name)
    if name == STANDARD_INPUT:
        yield Source(path=path, is_standard_input=True)
    elif path.is_dir():
        yield from _files_below(path, prefix, chosen)
    elif os.path.lexists(path) or not is_glob(path):
        if chosen.takes((path.name,)):
            yield Source(path=path)
    elif "**" in path.parts:
        folder, below = parted(path)
        pattern, hidden = regex_of(below), is_hidden(below.split("/"))
        matching = [
            source
            for source, parts in _walk(folder, prefix, chosen)
            if parts is None or (pattern.fullmatch("/".join(parts)) and (hidden or not is_hidden(parts)))
        ]
        yield from matching
        if not matching and chosen == ALL:
            # Reported as missing, as a shell does with a pattern without matches.
            yield Source(path=path)
    else:
        matches = sorted(glob(str(path)))  # noqa: PTH207 - Path.glob takes no absolute pattern
        for match in matches or [str(path)]:
            found = Path(match)
            if matches and found.is_dir():
                yield from _files_below(found, prefix, chosen)
            elif not matches or chosen.takes((found.name,)):
                yield Source(path=found)


def _files_below(folder: Path, prefix: str | None, chosen: Filter) -> Iterator[Source]:
    yield from (source for source, _ in _walk(folder, prefix, chosen))


def _walk(
    folder: Path, prefix: str | None, chosen: Filter
) -> Iterator[tuple[Source, tuple[str, ...] | None]]:
    unreadable: list[OSError] = []
    start = _segment(Path(absolute(folder)).name) if prefix is None else prefix
    for root, folders, names in os.walk(folder, onerror=unreadable.append):
        above = Path(root).relative_to(folder).parts
        folders[:] = sorted(name for name in folders if not chosen.leaves_out((*above, name)))
        for name in sorted(names):
            parts = (*above, name)
            if chosen.takes(parts):
                key = "/".join(filter(None, (start, *map(_segment, parts))))
                yield Source(path=Path(root, name), relative_key=key), parts
    # Opening it fails again, so it is reported.
    yield from ((Source(path=Path(error.filename)), None) for error in unreadable)


def _segment(name: str) -> str:
    """Convert a name to a key segment: in NFC, without characters that keys must not contain."""
    text = unicodedata.normalize("NFC", os.fsencode(name).decode(errors="replace"))
    return "".join("_" if c in "\\\ufffe\uffff" or unicodedata.category(c) == "Cc" else c for c in text)
