"""Object keys: whose they are, which are good, and how they are made.

A key is ``{key_prefix}/{user}/{rest}``. The user segment is an injective encoding of the user id, so no two
users share a prefix and no id can climb out of its own.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from uploadsvc.domain.errors import Forbidden, InvalidKey, NotFound

MAX_KEY_BYTES = 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

MAX_USER_SEGMENT_BYTES = 255
MAX_FILENAME_BYTES = 200
"""Leaves room for prefix, user and template below `MAX_KEY_BYTES`."""

_PLAIN_USER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_USER_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")

# Controls, the characters that XML 1.0 cannot carry in a listing, and the backslash that Windows and some
# proxies take for a separator.
_FORBIDDEN_IN_KEYS = re.compile("[\x00-\x1f\x7f-\x9f\\\\\ud800-\udfff\ufffe\uffff]")
_BAD_SEGMENTS = frozenset({"", ".", ".."})

_CONSIDERED_CHARACTERS = 1024
_PLAIN_FILENAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.() -]{0,198}(?<![. ])")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html "Characters to avoid", and those
# that a shell, a URL or Windows would trip over.
_REPLACED_IN_FILENAMES = frozenset('\\{}^%`[]"<>~#|/:*?$&;')
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,16}")

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
PLACEHOLDERS = ("uuid", "filename", "ext", "date", "policy")


def encode_user(user: str) -> str:
    """Encode a user id as one key segment, injectively.

    ASCII letters, digits, ``_``, ``-`` and a ``.`` that is not first stay; every other UTF-8 byte becomes
    ``=HH``.

    Raises:
        Forbidden: The id is empty, not UTF-8 (a lone surrogate), or longer than 255 bytes once encoded.
    """
    if _PLAIN_USER.fullmatch(user):
        segment = user
    else:
        try:
            raw = user.encode()
        except UnicodeEncodeError:
            detail = "The user id is not valid Unicode (it holds a lone surrogate)."
            raise Forbidden(detail) from None
        segment = "".join(
            chr(byte) if byte in _USER_BYTES or (byte == ord(".") and index) else f"={byte:02X}"
            for index, byte in enumerate(raw)
        )
    if not segment:
        detail = "The user id is empty."
        raise Forbidden(detail)
    if len(segment) > MAX_USER_SEGMENT_BYTES:
        detail = f"The user id is longer than {MAX_USER_SEGMENT_BYTES} bytes once encoded for a key."
        raise Forbidden(detail)
    return segment


def check_key(key: str, *, field: str) -> str:
    r"""Return ``key`` if it is a good object key.

    Good: at most 1,024 UTF-8 bytes; no controls, lone surrogates or ``\``; no empty, ``.`` or ``..``
    segment (so neither a leading nor a trailing ``/``); no ``${``, which a POST form would expand.

    Raises:
        InvalidKey: It is not; the message says why.
    """
    if (bad := _FORBIDDEN_IN_KEYS.search(key)) is not None:
        detail = f"The key holds U+{ord(bad[0]):04X}; controls, surrogates and backslashes are not allowed."
        raise InvalidKey(detail, field=field)
    if "${" in key:
        detail = "The key holds '${', which an S3 form would expand."
        raise InvalidKey(detail, field=field)
    if not _BAD_SEGMENTS.isdisjoint(key.split("/")):
        detail = "The key is empty or has an empty, '.' or '..' segment between its slashes."
        raise InvalidKey(detail, field=field)
    if len(key.encode()) > MAX_KEY_BYTES:
        detail = f"The key is longer than {MAX_KEY_BYTES} bytes in UTF-8, the prefix included."
        raise InvalidKey(detail, field=field)
    return key


def safe_filename(filename: str) -> str:
    """Make one good key segment of whatever a file is called; never refuses.

    The last part of a path, in NFC, without controls and characters that S3 advises against, at most 200
    UTF-8 bytes with its extension kept. A name with nothing left is ``file``.
    """
    if _PLAIN_FILENAME.fullmatch(filename):
        return filename
    # Cut before it is normalised: that takes quadratic time on a long run of combining marks.
    name = re.split(r"[/\\]", filename.rstrip("/\\"))[-1][-_CONSIDERED_CHARACTERS:]
    name = unicodedata.normalize("NFC", name.encode(errors="replace").decode())
    name = "".join(
        "_" if c in _REPLACED_IN_FILENAMES or unicodedata.category(c) in _UNSAFE_CATEGORIES else c
        for c in name
    )
    name = " ".join(name.split()).rstrip(". ")
    if name.startswith("."):
        name = "_" + name[1:]
    if len(name.encode()) > MAX_FILENAME_BYTES:
        extension = file_extension(name)
        room = MAX_FILENAME_BYTES - len(extension)
        stem = name.removesuffix(extension).encode()[:room].decode(errors="ignore").rstrip(". ")
        # Cutting can leave a base letter whose mark is gone, which is still NFC.
        name = stem + extension
    return name or "file"


def file_extension(filename: str) -> str:
    """Return the filename's last extension with its dot, or an empty string: ``.jpg``.

    Only one to sixteen ASCII letters and digits count; anything else is no extension.
    """
    dot = filename.rfind(".")
    extension = filename[dot:] if dot > 0 else ""
    return extension if _EXTENSION.fullmatch(extension) else ""


@dataclass(frozen=True, slots=True)
class Namespace:
    """The key prefix below which every user has a prefix of their own.

    Args:
        key_prefix: Without slashes at its ends, for example ``uploads``.
    """

    key_prefix: str

    def user_prefix(self, user: str) -> str:
        """Return the prefix that this user owns, with its closing slash.

        Raises:
            Forbidden: The id cannot be encoded (see `encode_user`).
        """
        return f"{self.key_prefix}/{encode_user(user)}/"

    def relative_key(self, user: str, relative_key: str) -> str:
        """Return the whole key for one that the caller chose below their prefix.

        Raises:
            InvalidKey: It is not a good key, or not in Unicode NFC.
        """
        if not unicodedata.is_normalized("NFC", relative_key):
            detail = (
                "The key is not in Unicode normal form C; normalise it (JavaScript: key.normalize('NFC'))."
            )
            raise InvalidKey(detail, field="relative_key")
        # Both are checked: what is joined must be good, and so must what the caller gave by itself.
        check_key(relative_key, field="relative_key")
        return check_key(self.user_prefix(user) + relative_key, field="relative_key")

    def owned_key(self, user: str, key: str) -> str:
        """Return ``key`` if it lies below this user's prefix.

        Raises:
            InvalidKey: It is not a good key.
            NotFound: It is somebody else's, which is not the caller's to know.
        """
        check_key(key, field="key")
        if not key.startswith(self.user_prefix(user)):
            detail = "There is no such object."
            raise NotFound(detail)
        return key

    def listing_prefix(self, user: str, prefix: str) -> str:
        """Return the whole prefix to list for a relative one, which may end anywhere in a key.

        Raises:
            InvalidKey: No good key could start with it.
        """
        whole = self.user_prefix(user)
        if prefix:
            # A listing may stop at a slash or in the middle of a name; with one more letter it is a key.
            check_key(whole + prefix + "x", field="prefix")
        return whole + prefix


@dataclass(frozen=True, slots=True)
class KeyTemplate:
    """How a policy names new objects below the user's prefix: ``{uuid}/{filename}``.

    Args:
        text: Literal text and any of ``{uuid}``, ``{filename}``, ``{ext}``, ``{date}``, ``{policy}``.

    Raises:
        ValueError: Another placeholder, or a template that cannot give good keys.
    """

    text: str

    def __post_init__(self) -> None:
        for name in _PLACEHOLDER.findall(self.text):
            if name not in PLACEHOLDERS:
                allowed = ", ".join(f"{{{p}}}" for p in PLACEHOLDERS)
                message = f"unknown placeholder {{{name}}}; allowed are {allowed}"
                raise ValueError(message)
        if "{" in (bare := _PLACEHOLDER.sub("", self.text)) or "}" in bare:
            message = "a brace that is not part of a placeholder"
            raise ValueError(message)
        # With every placeholder at its shortest, an extension can be missing.
        shortest = {"uuid": "u", "filename": "f", "ext": "", "date": "2026/11/23", "policy": "p"}
        try:
            check_key(self.expand(shortest), field="key")
        except InvalidKey as error:
            message = f"it cannot give good keys: {error.detail}"
            raise ValueError(message) from None

    @property
    def unique(self) -> bool:
        """Whether no two uploads can get the same key."""
        return "{uuid}" in self.text

    def unique_name(self, rest: str, *, policy: str) -> str | None:
        """Return what stands for ``{uuid}`` in what this template may have made, or ``None``.

        Args:
            rest: The key below the user's prefix.
            policy: The policy's name.
        """
        forms = {
            "uuid": "([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})",
            "filename": "[^/]+",
            "ext": r"(?:\.[a-z0-9]{1,16})?",
            "date": "[0-9]{4}/[0-9]{2}/[0-9]{2}",
            "policy": re.escape(policy),
        }
        texts = _PLACEHOLDER.split(self.text)
        pattern = "".join(forms[text] if index % 2 else re.escape(text) for index, text in enumerate(texts))
        match = re.fullmatch(pattern, rest)
        return match[1] if match and match.groups() else None

    def expand(self, values: Mapping[str, str]) -> str:
        """Return the text with each placeholder replaced by its value."""
        return _PLACEHOLDER.sub(lambda match: values[match[1]], self.text)

    def longest(self, policy: str) -> int:
        """Return the most UTF-8 bytes that an expansion can have."""
        values = {
            "uuid": "u" * 36,
            "filename": "f" * MAX_FILENAME_BYTES,
            "ext": "." + "e" * 16,
            "date": "2026/11/23",
            "policy": policy,
        }
        return len(self.expand(values).encode())
