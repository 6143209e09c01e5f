"""Keys, users, filenames, media types and what is made of them."""

import unicodedata
from email.message import Message
from typing import Final
from urllib.parse import unquote

from fuzz.inputs import fields, text
from uploadsvc.domain import keys, media_types
from uploadsvc.domain.disposition import content_disposition
from uploadsvc.domain.errors import Forbidden, InvalidKey, UploadsvcError
from uploadsvc.domain.filenames import (
    MAX_FILENAME_BYTES,
    MAX_FOLDERS_BYTES,
    file_extension,
    safe_filename,
    safe_folders,
)
from uploadsvc.domain.keys import KeyTemplate, Namespace, check_key, decode_user, encode_user

_NAMESPACE: Final = Namespace("uploads")
_JOINERS: Final = "\u200c\u200d"
_PLAIN: Final = KeyTemplate("{uuid}/{filename}")


def object_keys(data: bytes) -> None:
    """A user's keys are below the user's prefix, whatever the user and the key are."""
    user, other, key = fields(data, 3)
    try:
        prefix = _NAMESPACE.user_prefix(user)
    except Forbidden:
        return
    segment = encode_user(user)
    assert decode_user(segment) == user
    assert prefix.count("/") == 2
    assert check_key(f"{prefix}x", field="key")
    _check_apart(user, other)
    for make in (_NAMESPACE.relative_key, _NAMESPACE.listing_prefix):
        try:
            whole = make(user, key)
        except InvalidKey:
            continue
        assert whole.startswith(prefix)
        assert len(whole.encode()) <= keys.MAX_KEY_BYTES
    for name in (key, prefix + key):
        try:
            owned = _NAMESPACE.stored_key(user, name)
        except UploadsvcError:
            continue
        assert owned == name
        assert name.startswith(prefix)
        if len(name) > len(prefix):
            assert _NAMESPACE.user_of(name) == user


def _check_apart(user: str, other: str) -> None:
    try:
        ours, theirs = _NAMESPACE.user_prefix(user), _NAMESPACE.user_prefix(other)
    except Forbidden:
        return
    if user != other:
        assert not ours.startswith(theirs)
        assert not theirs.startswith(ours)


def key_templates(data: bytes) -> None:
    """A template that is taken makes valid keys, and knows its own."""
    template, filename, policy = fields(data, 3)
    try:
        made = KeyTemplate(template)
    except ValueError:
        return
    name = safe_filename(filename)
    values = {
        "uuid": "0190f3c0-0000-7000-8000-000000000000",
        "path": "",
        "filename": name,
        "ext": file_extension(name).lower(),
        "date": "2026/11/23",
        "policy": "p",
    }
    key = made.expand(values)
    try:
        check_key(key, field="key")
    except InvalidKey:
        # Only the whole is too long, or `{ext}` alone is a segment: planners check each key.
        return
    assert made.pattern("p").fullmatch(key)
    assert made.area("p").meets(made.area("p"))
    made.area(policy).meets(_PLAIN.area("p"))
    made.unique_name(text(data), policy="p")


def filenames(data: bytes) -> None:
    """Every filename becomes a valid segment, and a safe one stays as it is."""
    filename = text(data)
    safe = safe_filename(filename)
    check_key(safe, field="key")
    assert "/" not in safe
    assert len(safe.encode()) <= MAX_FILENAME_BYTES
    assert safe_filename(safe) == safe
    assert unicodedata.is_normalized("NFC", safe)
    try:
        folders = safe_folders(filename)
    except InvalidKey:
        return
    assert len(folders.encode()) <= MAX_FOLDERS_BYTES
    check_key(folders + safe, field="key")


def content_types(data: bytes) -> None:
    """A media type that is taken is one header value, and its own form; code matches no wildcard."""
    value, filename = fields(data, 2)
    try:
        parsed = media_types.parse(value)
    except ValueError:
        parsed = ""
    if parsed:
        assert parsed.isascii()
        assert all(character == "\t" or character.isprintable() for character in parsed)
        assert "${" not in parsed
        # Quotes and spaces are added, so it may be longer than what is taken.
        assert len(parsed) > media_types.MAX_LENGTH or media_types.parse(parsed) == parsed
        wild = media_types.allowed(parsed, frozenset({"*/*"}), filename=filename)
        assert wild is not media_types.is_active(parsed)
    try:
        pattern = media_types.parse_pattern(value)
    except ValueError:
        return
    assert media_types.parse_pattern(pattern) == pattern


def dispositions(data: bytes) -> None:
    """The header is one line of ASCII that a parser reads as one filename."""
    filename = text(data)
    value = content_disposition("attachment", filename)
    assert value.isascii()
    assert value.isprintable()
    assert "${" not in value
    message = Message()
    message["Content-Disposition"] = value
    assert message.get_content_disposition() == "attachment"
    shown = message.get_filename()
    if value != "attachment":
        assert shown
        exact = unquote(value.partition("filename*=UTF-8''")[2]) or shown
        assert not {"/", "\\", '"', "\r", "\n"} & set(shown)
        assert not {"/", "\\"} & set(exact)
        # Joiners of emoji and of some scripts stay.
        kinds = {unicodedata.category(character) for character in exact if character not in _JOINERS}
        assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}
