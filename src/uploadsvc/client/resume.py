"""State of unfinished uploads, one small private file each."""

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
"""Longer than the lifetime of any upload id, so older files are useless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedUpload:
    """An upload that was started.

    Attributes:
        url: URL of the service.
        id: Upload id.
        fingerprint: Fingerprint of the file.
    """

    url: str
    id: str
    fingerprint: Fingerprint


class ResumeStore:
    """State files of one user.

    Args:
        directory: Directory of the files; ``None`` saves nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def find(self, name: str) -> SavedUpload | None:
        """Return a saved upload, or ``None`` if there is none or it cannot be read."""
        if self._directory is None:
            return None
        try:
            found = json.loads((self._directory / name).read_text("utf-8"))
            if found.pop("version") != _VERSION:
                return None
            return SavedUpload(**{**found, "fingerprint": Fingerprint(**found["fingerprint"])})
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def save(self, name: str, saved: SavedUpload) -> None:
        """Save an upload atomically, readable only by the user.

        Raises:
            OSError: The file cannot be written.
        """
        if self._directory is None:
            return
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp creates the file with mode 0600.
        descriptor, temporary = tempfile.mkstemp(dir=self._directory, prefix=".new-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({"version": _VERSION, **asdict(saved)}, file)
            Path(temporary).replace(self._directory / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def forget(self, name: str) -> None:
        """Delete the state of an upload."""
        if self._directory is not None:
            with contextlib.suppress(OSError):
                (self._directory / name).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Delete state files that are too old to be useful."""
        if self._directory is None:
            return
        with contextlib.suppress(OSError):
            for path in self._directory.iterdir():
                if path.stat().st_mtime < time.time() - _KEPT_SECONDS:
                    path.unlink()


def state_name(url: str, path: str, request: Mapping[str, object]) -> str:
    """Return the name of the state file: the same for the same service, file and options."""
    same = json.dumps([url, path, request], sort_keys=True)
    return f"{sha256(same.encode()).hexdigest()[:32]}.json"


def default_directory(environment: Mapping[str, str]) -> Path | None:
    """Return the user's state directory; a relative ``XDG_STATE_HOME`` is ignored.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    named = environment.get("XDG_STATE_HOME", "")
    if Path(named).is_absolute():
        return Path(named) / "uploadsvc" / "uploads"
    try:
        return Path.home() / ".local" / "state" / "uploadsvc" / "uploads"
    except RuntimeError:
        return None
