"""Object keys: owners, validity and templates.

A key is ``{key_prefix}/{user}/{rest}``. The user segment is an injective encoding of the user id, so no two
users share a prefix and no id can escape its own.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from urllib.parse import unquote_to_bytes

from uploadsvc.domain.errors import Forbidden, InvalidKey, NotFound
from uploadsvc.domain.filenames import MAX_FILENAME_BYTES, MAX_FOLDERS_BYTES

MAX_KEY_BYTES = 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

MAX_USER_SEGMENT_BYTES = 255
_CENTURY_END = 4_102_444_800_000
"""2100-01-01T00:00:00Z in milliseconds."""

_PLAIN_USER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_USER_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")

# Control characters, characters that XML 1.0 cannot hold in a listing, and the backslash, which Windows and
# some proxies treat as a separator.
_FORBIDDEN_IN_KEYS = re.compile("[\x00-\x1f\x7f-\x9f\\\\\ud800-\udfff\ufffe\uffff]")
_BAD_SEGMENTS = frozenset({"", ".", ".."})

_IN_NO_KEY = re.compile("[\x00\ud800-\udfff]")
_DOT_SEGMENTS = frozenset({".", ".."})
_SEPARATOR = re.compile(r"[/\\]")

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
PLACEHOLDERS = ("uuid", "path", "filename", "ext", "date", "policy")
# Only once, so that other segments can be counted from the start or the end of a key.
_WELL_PLACED_PATH = re.compile(r"(?:(?!\{path\}).)*(?<![^/])\{path\}(?!/)(?:(?!\{path\}).)+", re.DOTALL)
# Pattern of each placeholder's values.
_FORMS = {
    "uuid": "([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})",
    "path": "(?:[^/]+/)*",
    "filename": "[^/]+",
    "ext": r"(?:\.[a-z0-9]{1,16})?",
    "date": "[0-9]{4}/[0-9]{2}/[0-9]{2}",
    "year": "[0-9]{4}",
    "month": "[0-9]{2}",
    "day": "[0-9]{2}",
}


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
    r"""Return ``key`` if it is a valid object key.

    Valid keys have at most 1,024 UTF-8 bytes; no control characters, lone surrogates or ``\``; no empty,
    ``.`` or ``..`` segment (so no leading or trailing ``/``); no ``${``, which a POST form would expand.

    Raises:
        InvalidKey: The key is not valid; the message says why.
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


def check_segments(key: str, most: int, *, field: str) -> str:
    """Return ``key`` if none of its segments has more than ``most`` UTF-8 bytes.

    Raises:
        InvalidKey: One is longer.
    """
    if longest_segment(key) > most:
        detail = f"A segment of the key is longer than {most} bytes in UTF-8, the most that the store allows."
        raise InvalidKey(detail, field=field)
    return key


def longest_segment(key: str) -> int:
    """Return the length of the longest segment, in bytes of UTF-8."""
    return max(len(segment.encode()) for segment in key.split("/"))


def check_stored_key(key: str, *, field: str) -> str:
    r"""Return ``key`` if a stored object, from any program, can have it.

    S3 accepts nearly any text as a key. ``.`` and ``..`` segments are rejected, also between backslashes:
    browsers, proxies, and stores that keep keys as paths resolve them, which could lead to another user's
    object.

    Raises:
        InvalidKey: The key is not valid; the message says why.
    """
    if _IN_NO_KEY.search(key):
        detail = "The key holds U+0000 or a lone surrogate, which no key can have."
        raise InvalidKey(detail, field=field)
    if not _DOT_SEGMENTS.isdisjoint(_SEPARATOR.split(key)):
        detail = "The key has a '.' or '..' segment, which browsers and proxies resolve."
        raise InvalidKey(detail, field=field)
    if not 1 <= len(key.encode()) <= MAX_KEY_BYTES:
        detail = f"A key has 1 to {MAX_KEY_BYTES} bytes in UTF-8, the prefix included."
        raise InvalidKey(detail, field=field)
    return key


def newest_first_uuid(now: datetime, random: str) -> str:
    """Return a UUID that sorts before those of earlier milliseconds.

    S3 lists objects in the order of keys, so listings start with the newest. It is a version 8 UUID
    (RFC 9562 section 5.8): 48 bits hold the milliseconds left until 2100, and 74 bits are random.

    Args:
        now: The current time, aware.
        random: 20 or more random hexadecimal digits.
    """
    left = max(0, _CENTURY_END - int(now.timestamp() * 1000))
    time, variant = f"{left:012x}", "89ab"[int(random[0], 16) & 3]
    return f"{time[:8]}-{time[8:]}-8{random[1:4]}-{variant}{random[4:7]}-{random[7:19]}"


def decode_user(segment: str) -> str | None:
    """Reverse `encode_user`. Returns ``None`` for a segment that it never returns."""
    try:
        user = unquote_to_bytes(segment.replace("%", "%25").replace("=", "%")).decode()
        return user if encode_user(user) == segment else None
    except (UnicodeError, Forbidden):
        return None


@dataclass(frozen=True, slots=True)
class Namespace:
    """The key prefix that contains the prefixes of all users.

    Args:
        key_prefix: Prefix without leading or trailing slash, such as ``uploads``.
    """

    key_prefix: str

    def user_prefix(self, user: str) -> str:
        """Return the prefix of a user, with its trailing slash.

        Raises:
            Forbidden: The id cannot be encoded (see `encode_user`).
        """
        return f"{self.key_prefix}/{encode_user(user)}/"

    def user_of(self, key: str) -> str | None:
        """Return the owner of a key, or ``None`` if it is not below a user's prefix."""
        segment, slash, rest = key.removeprefix(f"{self.key_prefix}/").partition("/")
        if not (slash and rest and key.startswith(f"{self.key_prefix}/")):
            return None
        return decode_user(segment)

    def relative_key(self, user: str, relative_key: str, *, folder: str = "") -> str:
        """Return the whole key for a key below the user's prefix.

        Args:
            user: The user id.
            relative_key: The key, below ``folder``.
            folder: A folder below the user's prefix, with a trailing slash.

        Raises:
            InvalidKey: The key is not valid, or not in Unicode NFC.
        """
        if not unicodedata.is_normalized("NFC", relative_key):
            detail = (
                "The key is not in Unicode normal form C; normalise it (JavaScript: key.normalize('NFC'))."
            )
            raise InvalidKey(detail, field="relative_key")
        # Both must be valid: the given key and the whole key.
        check_key(relative_key, field="relative_key")
        return check_key(self.user_prefix(user) + folder + relative_key, field="relative_key")

    def owned_key(self, user: str, key: str) -> str:
        """Return ``key`` if it is below the user's prefix, and valid for a new object.

        Raises:
            InvalidKey: The key is not valid.
            NotFound: The key belongs to another user, which is not disclosed.
        """
        return self._owned(user, check_key(key, field="key"))

    def stored_key(self, user: str, key: str) -> str:
        """Return ``key`` if it is below the user's prefix, for any object that can be listed.

        Raises:
            InvalidKey: The key is not valid (see `check_stored_key`).
            NotFound: The key belongs to another user, which is not disclosed.
        """
        return self._owned(user, check_stored_key(key, field="key"))

    def _owned(self, user: str, key: str) -> str:
        if not key.startswith(self.user_prefix(user)):
            detail = "There is no such object."
            raise NotFound(detail)
        return key

    def listing_prefix(self, user: str, prefix: str) -> str:
        """Return the whole prefix for a relative one, which may end within a name.

        Raises:
            InvalidKey: No stored key starts with it.
        """
        whole = self.user_prefix(user)
        if prefix:
            # A prefix may end with a slash or within a name; with one more letter, it is a valid key.
            check_stored_key(whole + prefix + "x", field="prefix")
        return whole + prefix


@dataclass(frozen=True, slots=True)
class KeyTemplate:
    """Template for keys of new objects below the user's prefix, such as ``{uuid}/{filename}``.

    Args:
        text: Literal text and any of ``{uuid}``, ``{path}``, ``{filename}``, ``{ext}``, ``{date}``,
            ``{policy}``. ``{path}`` stands for the folders of the filename, with a slash at the end.

    Raises:
        ValueError: There is an unknown placeholder, ``{path}`` is misplaced, or no key can be valid.
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
        if self.keeps_folders and not _WELL_PLACED_PATH.fullmatch(self.text):
            message = "write {path} once, at the start of a segment, with text or another placeholder right "
            message += "after it, as in {uuid}/{path}{filename}"
            raise ValueError(message)
        # The shortest expansion, of a file without folders and extension.
        shortest = {"uuid": "u", "path": "", "filename": "f", "ext": "", "date": "2026/11/23", "policy": "p"}
        try:
            check_key(self.expand(shortest), field="key")
        except InvalidKey as error:
            message = f"it cannot produce valid keys: {error.detail}"
            raise ValueError(message) from None

    @property
    def unique(self) -> bool:
        """Whether every upload gets its own key."""
        return "{uuid}" in self.text

    @property
    def keeps_folders(self) -> bool:
        """Whether keys contain the folders of filenames."""
        return "{path}" in self.text

    @property
    def shares_folders(self) -> bool:
        """Whether callers choose folders that may contain other keys, because no ``{uuid}`` comes first."""
        return self.keeps_folders and "{uuid}" not in self.text.partition("{path}")[0]

    def pattern(self, policy: str) -> re.Pattern[str]:
        """Return a pattern for all keys below a user's prefix that this template can produce for a policy."""
        return re.compile(_pattern(self.text, policy))

    def unique_name(self, rest: str, *, policy: str) -> str | None:
        """Return the ``{uuid}`` of a key that this template may have produced, or ``None``.

        Args:
            rest: Key below the user's prefix.
            policy: Name of the policy.
        """
        match = self.pattern(policy).fullmatch(rest)
        return match[1] if match and match.groups() else None

    def expand(self, values: Mapping[str, str]) -> str:
        """Return the text with each placeholder replaced by its value."""
        # All braces are placeholders, as `__post_init__` has checked.
        return self.text.format_map(values)

    def longest(self, policy: str) -> str:
        """Return an expansion of maximum size, both in total and in each segment."""
        values = {
            "uuid": "u" * 36,
            "path": f"{'p' * MAX_FILENAME_BYTES}/".ljust(MAX_FOLDERS_BYTES - 1, "p") + "/",
            "filename": "f" * MAX_FILENAME_BYTES,
            "ext": "." + "e" * 16,
            "date": "2026/11/23",
            "policy": policy,
        }
        return self.expand(values)

    def area(self, policy: str) -> "KeyArea":
        """Return the keys that this template can produce for a policy."""
        text = self.text.replace("{policy}", policy).replace("{date}", "{year}/{month}/{day}")
        start, path, end = text.partition("{path}")
        if not path:
            return KeyArea(tuple(text.split("/")))
        return KeyArea(tuple(start.split("/")[:-1]), end=tuple(end.split("/")))


@dataclass(frozen=True, slots=True)
class KeyArea:
    """Keys below a user's prefix that one policy can write.

    Args:
        segments: The segments of the keys, which may contain placeholders.
        end: The last segments, if any number of others may come before; otherwise ``None``.
    """

    segments: tuple[str, ...]
    end: tuple[str, ...] | None = None

    @classmethod
    def below(cls, folder: str) -> "KeyArea":
        """Return all keys in a folder and its subfolders; an empty name means all keys."""
        return cls(tuple(folder.split("/")) if folder else (), end=("{filename}",))

    def meets(self, other: "KeyArea") -> bool:
        """Return whether a key may be in both areas; ``True`` if unclear."""
        if other.end is None and self.least > len(other.segments):
            return False
        if self.end is None and other.least > len(self.segments):
            return False
        # Any number of segments fits between start and end of both.
        starts = zip(self.segments, other.segments, strict=False)
        ends = zip(reversed(self.last), reversed(other.last), strict=False)
        return all(_segments_meet(*pair) for pair in chain(starts, ends))

    @property
    def least(self) -> int:
        """Number of segments of the shortest keys."""
        return len(self.segments) + len(self.end or ())

    @property
    def last(self) -> tuple[str, ...]:
        """The segments at the end of every key."""
        return self.segments if self.end is None else self.end


def _segments_meet(one: str, other: str) -> bool:
    for text, pattern in ((one, other), (other, one)):
        if "{" not in text:
            return re.fullmatch(_pattern(pattern, ""), text) is not None
    # Two texts with placeholders are certain to differ only if their beginnings or ends do.
    heads = sorted((text.partition("{")[0] for text in (one, other)), key=len)
    tails = sorted((text.rpartition("}")[2] for text in (one, other)), key=len)
    return heads[1].startswith(heads[0]) and tails[1].endswith(tails[0])


def _pattern(template: str, policy: str) -> str:
    texts = _PLACEHOLDER.split(template.replace("{policy}", policy))
    return "".join(_FORMS[text] if index % 2 else re.escape(text) for index, text in enumerate(texts))
