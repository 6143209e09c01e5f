"""What is remembered of uploads between two runs: one small private file for each."""

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from uploadsvc.client.file import Fingerprint

_VERSION: Final = 2
_KEPT_SECONDS: Final = 40 * 86_400
"""Longer than any upload's id counts; what is older serves nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """An upload that was begun.

    Attributes:
        url: Of the service.
        id: The upload's.
        fingerprint: Of the file.
    """

    url: str
    id: str
    fingerprint: Fingerprint


class States:
    """The state files of one user.

    Args:
        directory: Where they are; ``None`` remembers nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def find(self, name: str) -> Remembered | None:
        """Return what is remembered; nothing where that cannot be read."""
        if self._directory is None:
            return None
        try:
            found = json.loads((self._directory / name).read_text("utf-8"))
            if found.pop("version") != _VERSION:
                return None
            return Remembered(**{**found, "fingerprint": Fingerprint(**found["fingerprint"])})
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def save(self, name: str, remembered: Remembered) -> None:
        """Remember an upload: whole or not at all, readable by its user alone.

        Raises:
            OSError: It cannot be written.
        """
        if self._directory is None:
            return
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # It makes the file with mode 0600.
        descriptor, temporary = tempfile.mkstemp(dir=self._directory, prefix=".new-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({"version": _VERSION, **asdict(remembered)}, file)
            Path(temporary).replace(self._directory / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def forget(self, name: str) -> None:
        """Forget an upload."""
        if self._directory is not None:
            with contextlib.suppress(OSError):
                (self._directory / name).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Forget uploads that nobody came back to."""
        if self._directory is None:
            return
        with contextlib.suppress(OSError):
            for path in self._directory.iterdir():
                if path.stat().st_mtime < time.time() - _KEPT_SECONDS:
                    path.unlink()


def state_name(url: str, path: str, request: Mapping[str, object]) -> str:
    """Name an upload by what makes two runs of a command the same: service, file and options."""
    same = json.dumps([url, path, request], sort_keys=True)
    return f"{sha256(same.encode()).hexdigest()[:32]}.json"


def default_directory(environment: Mapping[str, str]) -> Path | None:
    """Return where a user's state goes; a relative ``XDG_STATE_HOME`` does not count.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    named = environment.get("XDG_STATE_HOME", "")
    if Path(named).is_absolute():
        return Path(named) / "uploadsvc" / "uploads"
    try:
        return Path.home() / ".local" / "state" / "uploadsvc" / "uploads"
    except RuntimeError:
        return None
