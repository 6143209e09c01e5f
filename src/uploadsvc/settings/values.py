"""Values as people write them: sizes, lists, PEM text in one line."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, SecretStr
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

FORM: Final = "x-form"
"""Where a value's JSON Schema says in words what it looks like."""

_SIZE = re.compile(r"\s*(\d{1,18})\s*([KMGT]?i?B)?\s*", re.IGNORECASE)
_UNITS: Final = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}


def parse_size(value: object) -> object:
    """Return bytes for ``5242880``, ``"5MB"`` or ``"5MiB"``; other types are pydantic's to refuse.

    Raises:
        ValueError: A string of another form.
    """
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value)
    if match is None or (unit := (match[2] or "").lower()) not in _UNITS:
        message = "not a size; write bytes (5242880), '5MB' or '5MiB'"
        raise ValueError(message)
    return int(match[1]) * _UNITS[unit]


def split_list(value: object) -> object:
    """Return a list for ``"a, b"``; other types are pydantic's to refuse."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def unfold_pem(value: object) -> object:
    r"""Return PEM text with real line ends for one whose line ends were written ``\n``."""
    return value.replace("\\n", "\n") if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Form:
    """A validator that takes strings of one form and otherwise says what is allowed.

    Args:
        pattern: What the whole string has to match.
        allowed: The same in words.
    """

    pattern: str
    allowed: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check what has been found to be a string."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Say it in the schema, too."""
        return {**handler(schema), FORM: self.allowed}

    def _checked(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            message = f"must be {self.allowed}"
            raise ValueError(message)
        return value


def matching(pattern: str, allowed: str) -> Form:
    """Return a validator that takes strings of one form and otherwise says what is allowed."""
    return Form(pattern, allowed)


Size = Annotated[int, BeforeValidator(parse_size), Field(ge=0, json_schema_extra={FORM: "a size"})]
Names = Annotated[tuple[str, ...], BeforeValidator(split_list)]
Pem = Annotated[str, BeforeValidator(unfold_pem), Field(json_schema_extra={FORM: "PEM text"})]
SecretPem = Annotated[SecretStr, BeforeValidator(unfold_pem), Field(json_schema_extra={FORM: "PEM text"})]
