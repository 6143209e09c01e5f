"""Sanitize filenames and their folders for object keys."""

import re
import unicodedata

from uploadsvc.domain.characters import STRAY_JOINER, is_unsafe
from uploadsvc.domain.errors import InvalidKey

MAX_FILENAME_BYTES = 200
"""Leaves room for prefix, user and template within `keys.MAX_KEY_BYTES`."""

MAX_FOLDERS = 32
MAX_FOLDERS_BYTES = 400
"""Maximum bytes of a filename's folders with their slashes. Leaves room like `MAX_FILENAME_BYTES`."""

_CONSIDERED_CHARACTERS = 1024
_PLAIN_FILENAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.() -]{0,198}(?<![. ])")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html "Characters to avoid", and special
# characters of shells, URLs and Windows.
_REPLACED_IN_FILENAMES = frozenset('\\{}^%`[]"<>~#|/:*?$&;')
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,16}")
_NO_FOLDERS = frozenset({"", ".", ".."})


def safe_filename(filename: str) -> str:
    """Return a valid key segment for any filename.

    It is the last part of a path, in NFC, without control characters and those that S3 advises against, and
    with at most 200 UTF-8 bytes including the extension. If nothing is left, it is ``file``.
    """
    if _PLAIN_FILENAME.fullmatch(filename):
        return filename
    # Cut before normalizing, which takes quadratic time for a long run of combining marks.
    name = last_part(filename)[-_CONSIDERED_CHARACTERS:]
    name = unicodedata.normalize("NFC", name.encode(errors="replace").decode())
    name = "".join("_" if c in _REPLACED_IN_FILENAMES or is_unsafe(c) else c for c in name)
    name = STRAY_JOINER.sub("_", " ".join(name.split()).rstrip(". "))
    if name.startswith("."):
        name = "_" + name[1:]
    if len(name.encode()) > MAX_FILENAME_BYTES:
        extension = file_extension(name)
        room = MAX_FILENAME_BYTES - len(extension)
        stem = name.removesuffix(extension).encode()[:room].decode(errors="ignore").rstrip(". ")
        # The cut can separate a mark from its base letter; the rest is still NFC.
        name = STRAY_JOINER.sub("_", stem + extension)
    return name or "file"


def safe_folders(filename: str) -> str:
    r"""Return the folders of a filename such as ``photos/2026/a.jpg``, each with a trailing slash.

    Backslashes are separators too. Empty, ``.`` and ``..`` folders are left out; others are sanitized like in
    `safe_filename`.

    Raises:
        InvalidKey: There are more than 32, or more than 400 UTF-8 bytes after sanitizing.
    """
    name = last_part(filename)
    path = filename.rstrip("/\\").removesuffix(name).replace("\\", "/")
    folders = [folder for folder in path.split("/") if folder not in _NO_FOLDERS]
    if len(folders) <= MAX_FOLDERS:
        safe = "".join(f"{safe_filename(folder)}/" for folder in folders)
        if len(safe.encode()) <= MAX_FOLDERS_BYTES:
            return safe
    detail = (
        f"The filename has too many or too long folders; allowed are {MAX_FOLDERS} folders, of "
        f"{MAX_FOLDERS_BYTES} bytes in UTF-8 with their slashes."
    )
    raise InvalidKey(detail, field="filename")


def last_part(filename: str) -> str:
    """Return a filename without its folders."""
    path = filename.rstrip("/\\")
    return path[max(path.rfind("/"), path.rfind("\\")) + 1 :]


def file_extension(filename: str) -> str:
    """Return the last extension with its dot, such as ``.jpg``, or an empty string.

    An extension has 1 to 16 ASCII letters and digits.
    """
    dot = filename.rfind(".")
    extension = filename[dot:] if dot > 0 else ""
    return extension if _EXTENSION.fullmatch(extension) else ""
