"""Keys that ``uploadsvc dev`` keeps between runs."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from uploadsvc.domain.credentials import Credentials

_FILE = "keys.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class DevKeys:
    """The keys.

    Attributes:
        secret_key: `UPLOADSVC_SECRET_KEY`.
        credentials: Of the embedded S3.
        receipt_key: PEM of the private key that signs receipts, of a kind that every browser can verify.
    """

    secret_key: str
    credentials: Credentials
    receipt_key: str


def load_keys(directory: Path) -> DevKeys:
    """Return a directory's keys; the first run generates them.

    Raises:
        OSError: The directory cannot be written.
    """
    path = directory / _FILE
    kept: dict[str, Any] = {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        kept = found if isinstance(found, dict) else {}
        credentials = Credentials(
            access_key_id=kept["access_key_id"], secret_access_key=kept["secret_access_key"]
        )
        return DevKeys(
            secret_key=kept["secret_key"], credentials=credentials, receipt_key=kept["receipt_key"]
        )
    except (FileNotFoundError, ValueError, KeyError):
        # It also holds the stored objects.
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A file of an older version lacks only the newer keys.
        write_private(path, json.dumps({**_generated(), **kept}))
        return load_keys(directory)


def _generated() -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "secret_key": secrets.token_urlsafe(32),
        "access_key_id": "DEV" + secrets.token_hex(8).upper(),
        "secret_access_key": secrets.token_urlsafe(30),
        "receipt_key": pem.decode(),
    }


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, and replace an existing one.

    Raises:
        OSError: The file cannot be written.
    """
    # A new file: open() does not change the mode of an existing one.
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
