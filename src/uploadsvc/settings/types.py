"""Building blocks of the settings: sections, errors, and values as people write them."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SecretStr,
    TypeAdapter,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

ENV_PREFIX: Final = "UPLOADSVC_"
ENV_DELIMITER: Final = "__"

FORM: Final = "x-form"
"""Key of a value's JSON Schema that describes its form in words."""

# Stricter than ByteSize, which also takes bits and fractions, and ignores text behind the unit.
_SIZE: Final = re.compile(r"\s*\d{1,18}\s*([KMGT]?B|[KMGT]iB)?\s*", re.IGNORECASE)
_BYTE_SIZE: Final = TypeAdapter(ByteSize)


class SettingsError(ValueError):
    """A setting that stops the start, in one line.

    Attributes:
        variable: Name of the setting's environment variable.
        message: The problem, and what is allowed.

    Args:
        path: Path of the setting: ``("s3", "bucket")`` is ``UPLOADSVC_S3__BUCKET``.
        message: The problem, and what is allowed. It never holds the value of a secret.
    """

    def __init__(self, path: tuple[str, ...], message: str) -> None:
        self.path = path
        self.message = message
        self.variable = variable(*path) if path else "settings"
        super().__init__(f"{self.variable}: {message}")


def variable(*path: str) -> str:
    """Return the name of a setting's environment variable."""
    return ENV_PREFIX + ENV_DELIMITER.join(part.upper() for part in path)


class Section(BaseModel):
    """A section of the settings. It rejects unknown names.

    `docs/settings.md` is generated from the docstrings of sections and fields.
    """

    # An error shows no input: that of a whole section begins with its secrets.
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )


def parse_size(value: object) -> object:
    """Return the bytes for ``5242880``, ``"5MB"`` or ``"5MiB"``; pydantic rejects other types.

    Raises:
        ValueError: The string has another form.
    """
    if not isinstance(value, str):
        return value
    if not _SIZE.fullmatch(value):
        message = "not a size; write bytes (5242880), '5MB' or '5MiB'"
        raise ValueError(message)
    return int(_BYTE_SIZE.validate_python(value))


def split_list(value: object) -> object:
    """Return the list for ``"a, b"``; pydantic rejects other types."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def unfold_pem(value: object) -> object:
    r"""Return PEM text with each written ``\n`` as a line end."""
    return value.replace("\\n", "\n") if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Form:
    """Validates that a string has one form, and says what is allowed.

    Args:
        pattern: Regular expression for the whole string.
        allowed: The same in words.
    """

    pattern: str
    allowed: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate after pydantic has checked that the value is a string."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the form to the schema."""
        return {**handler(schema), FORM: self.allowed}

    def _checked(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            message = f"must be {self.allowed}"
            raise ValueError(message)
        return value


def matching(pattern: str, allowed: str) -> Form:
    """Return a validator for strings that match ``pattern``; ``allowed`` says so in words."""
    return Form(pattern, allowed)


Size = Annotated[int, BeforeValidator(parse_size), Field(ge=0, json_schema_extra={FORM: "a size"})]
Names = Annotated[tuple[str, ...], BeforeValidator(split_list)]
Pem = Annotated[str, BeforeValidator(unfold_pem), Field(json_schema_extra={FORM: "PEM text"})]
SecretPem = Annotated[SecretStr, BeforeValidator(unfold_pem), Field(json_schema_extra={FORM: "PEM text"})]
