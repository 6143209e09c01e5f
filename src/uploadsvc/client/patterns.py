"""File name patterns: globs that the shell has not expanded, ``--include`` and ``--exclude``."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_MAGIC: Final = re.compile(r"[*?\[]")
_TOKEN: Final = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_MEANING: Final = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Chooses files in folders.

    A pattern without a slash is compared with each name on the way to a file, its own included. One with a
    slash is compared with the whole path below the named folder; ``**`` stands for any folders.

    Attributes:
        include: A file must match one of these patterns; empty for all files.
        exclude: A file must match none of these.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def takes(self, parts: Sequence[str]) -> bool:
        """Return whether a file is chosen.

        Args:
            parts: Names of the folders below the named folder, and of the file.
        """
        return (not self.include or _matches(self.include, parts)) and not _matches(self.exclude, parts)

    def leaves_out(self, parts: Sequence[str]) -> bool:
        """Return whether a folder can be skipped, because none of its files can be chosen."""
        return _matches(self.exclude, parts)


ALL: Final = Filter()
"""Chooses every file."""


def is_glob(path: Path) -> bool:
    """Return whether a path that does not exist is a pattern."""
    return _MAGIC.search(str(path)) is not None


def parted(pattern: Path) -> tuple[Path, str]:
    """Return the folder in which a pattern's files are, and the pattern below it."""
    parts = pattern.parts
    fixed = next((index for index, part in enumerate(parts) if _MAGIC.search(part)), len(parts))
    return Path(*parts[:fixed]), "/".join(parts[fixed:])


def _matches(patterns: Iterable[str], parts: Sequence[str]) -> bool:
    path = "/".join(parts)
    return any(
        regex_of(pattern.strip("/")).fullmatch(path)
        if "/" in pattern.rstrip("/")
        else any(regex_of(pattern.rstrip("/")).fullmatch(part) for part in parts)
        for pattern in patterns
    )


@cache
def regex_of(pattern: str) -> re.Pattern[str]:
    """Return the regular expression for a pattern, as shells and Git read it."""
    return re.compile("".join(map(_regex_of_token, _TOKEN.findall(pattern))), re.DOTALL)


def _regex_of_token(token: str) -> str:
    if token in _MEANING:
        return _MEANING[token]
    if token.startswith("[") and len(token) > 2:  # noqa: PLR2004 - the brackets
        negated = token[1] == "!"
        characters = re.sub(r"([\\^\[\]&|~])", r"\\\1", token[2 if negated else 1 : -1])
        regex = f"(?!/)[{'^' if negated else ''}{characters}]"
        try:
            re.compile(regex)
        except re.error:
            # A range without characters, such as [z-a].
            return re.escape(token)
        return regex
    return re.escape(token)


def is_hidden(parts: Sequence[str]) -> bool:
    """Return whether a name on the way begins with a dot, which shells do not match by ``*``."""
    return any(part.startswith(".") for part in parts)
