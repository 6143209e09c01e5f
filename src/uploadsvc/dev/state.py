"""Keys that ``uploadsvc dev`` keeps between runs."""

import json
import secrets
from pathlib import Path

from uploadsvc.domain.credentials import Credentials

_FILE = "keys.json"


def load_keys(directory: Path) -> tuple[str, Credentials]:
    """Return a directory's secret key and access key; the first run generates them.

    Raises:
        OSError: The directory cannot be written.
    """
    path = directory / _FILE
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))
        return keys["secret_key"], Credentials(
            access_key_id=keys["access_key_id"], secret_access_key=keys["secret_access_key"]
        )
    except (FileNotFoundError, ValueError, KeyError):
        directory.mkdir(parents=True, exist_ok=True)
        keys = {
            "secret_key": secrets.token_urlsafe(32),
            "access_key_id": "DEV" + secrets.token_hex(8).upper(),
            "secret_access_key": secrets.token_urlsafe(30),
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(keys), encoding="utf-8")
        return load_keys(directory)
