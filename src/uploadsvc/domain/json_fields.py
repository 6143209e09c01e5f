"""Read JSON from other programs. Every field is checked, and no error quotes a value."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from uploadsvc.domain.metadata import is_text

MAX_BYTES: Final = 1024 * 1024
"""Maximum size of a document, which is that of an SQS message:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""


_DIGITS: Final = re.compile(r"[0-9]{1,19}")


class WrongJSONError(ValueError):
    """A document is not JSON, or a field has the wrong type; the message names the field, never its value."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a JSON object.

    A field that is ``null`` counts as missing.

    Args:
        values: The object.
        path: Path of the object in the document, for messages; empty for the document itself.
    """

    values: Mapping[str, object]
    path: str = ""

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def wrong(self, name: str, allowed: str) -> NoReturn:
        """Reject a field.

        Raises:
            WrongJSONError: Always.
        """
        message = f"{self._path(name)} must be {allowed}"
        raise WrongJSONError(message)

    def text(self, name: str) -> str:
        """Return a non-empty string.

        Raises:
            WrongJSONError: The field is missing or has another type.
        """
        found = self.optional_text(name)
        if found is None:
            self.wrong(name, "non-empty text")
        return found

    def optional_text(self, name: str) -> str | None:
        """Return a string; ``None`` if it is missing or empty.

        Raises:
            WrongJSONError: The field has another type, or contains a lone surrogate.
        """
        found = self.values.get(name)
        if found is None or found == "":
            return None
        if not isinstance(found, str) or not is_text(found):
            self.wrong(name, "text")
        return found

    def optional_integer(self, name: str) -> int | None:
        """Return an integer, possibly written as a string; ``None`` if it is missing.

        Raises:
            WrongJSONError: The field has another type.
        """
        found = self.values.get(name)
        if found is None:
            return None
        if isinstance(found, str) and _DIGITS.fullmatch(found):
            return int(found)
        # In Python, true and false are integers too.
        if not isinstance(found, int) or isinstance(found, bool):
            self.wrong(name, "an integer")
        return found

    def flag(self, name: str) -> bool:
        """Return a flag; false if it is missing.

        Raises:
            WrongJSONError: The field has another type.
        """
        found = self.values.get(name)
        if not isinstance(found, bool | None):
            self.wrong(name, "true or false")
        return found is True

    def child(self, name: str) -> "Fields":
        """Return the fields of an object.

        Raises:
            WrongJSONError: The field is missing or has another type.
        """
        return self._child(self.values.get(name), name)

    def children(self, name: str) -> Iterator["Fields"]:
        """Yield the fields of each object in a list.

        Raises:
            WrongJSONError: The field is missing or has another type.
        """
        found = self.values.get(name)
        if not isinstance(found, list):
            self.wrong(name, "a list")
        for index, one in enumerate(found):
            yield self._child(one, f"{name}[{index}]")

    def _child(self, found: object, name: str) -> "Fields":
        if not isinstance(found, dict):
            self.wrong(name, "an object")
        return Fields(found, self._path(name))

    def _path(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


def read_object(document: bytes | str) -> Fields:
    """Parse a JSON object in UTF-8, of at most `MAX_BYTES`.

    Stricter than Python's parser: no ``NaN``, no ``Infinity`` (RFC 8259), no duplicate names (RFC 7493).

    Raises:
        WrongJSONError: It is anything else, or nested too deeply.
    """
    text = _decode(document)
    try:
        found = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant)
    except WrongJSONError:
        raise
    except (ValueError, RecursionError):
        # Without the cause: its message or traceback may contain the document.
        message = "must be JSON"
        raise WrongJSONError(message) from None
    if not isinstance(found, dict):
        message = "must be a JSON object"
        raise WrongJSONError(message)
    return Fields(found)


def _decode(document: bytes | str) -> str:
    try:
        # Count characters first, so that huge text is not encoded.
        encoded = document.encode() if isinstance(document, str) and len(document) <= MAX_BYTES else document
        if len(encoded) > MAX_BYTES:
            message = f"must be at most {MAX_BYTES} bytes"
            raise WrongJSONError(message)
        return document if isinstance(document, str) else document.decode()
    except UnicodeError:
        message = "must be UTF-8"
        raise WrongJSONError(message) from None


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        message = "must not contain a name twice in an object"
        raise WrongJSONError(message)
    return found


def _refuse_constant(_: str) -> NoReturn:
    message = "must not contain NaN or Infinity"
    raise WrongJSONError(message)
