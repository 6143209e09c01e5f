"""Keys that ``uploadsvc dev`` keeps between runs."""

import json
import os
import secrets
from pathlib import Path

from uploadsvc.domain.credentials import Credentials

_FILE = "keys.json"


def load_keys(directory: Path) -> tuple[str, Credentials]:
    """Return a directory's secret key and access key, generated on the first run.

    Raises:
        OSError: The directory cannot be written.
    """
    path = directory / _FILE
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))
        return keys["secret_key"], Credentials(
            access_key_id=keys["access_key_id"], secret_access_key=keys["secret_access_key"]
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # The directory also contains the stored objects.
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = {
            "secret_key": secrets.token_urlsafe(32),
            "access_key_id": "DEV" + secrets.token_hex(8).upper(),
            "secret_access_key": secrets.token_urlsafe(30),
        }
        write_private(path, json.dumps(keys))
        return load_keys(directory)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, and replace an existing one.

    Raises:
        OSError: The file cannot be written.
    """
    # A new file: open() does not change the mode of an existing one.
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
