"""Building blocks of the settings: sections, errors and types of values."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SecretStr,
    TypeAdapter,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

ENV_PREFIX: Final = "UPLOADSVC_"
ENV_DELIMITER: Final = "__"

_CHECK: Final = "__is_settings_check__"
_LINE_ENDS: Final = "\n\r\v\f\x85\u2028\u2029"
_QUOTES: Final = "\"'`"

FORM: Final = "x-form"
"""Key in a JSON Schema for a description of the value's form."""

# Stricter than ByteSize, which also accepts bits and fractions, and ignores text after the unit.
_SIZE: Final = re.compile(r"\s*\d{1,18}\s*([KMGT]?B|[KMGT]iB)?\s*", re.IGNORECASE)
_BYTE_SIZE: Final = TypeAdapter(ByteSize)


class SettingsError(ValueError):
    """Invalid settings, with one line for each.

    Attributes:
        path: Path of the first setting.
        variable: Name of its environment variable.
        message: What is wrong, and what is allowed.
        errors: All errors, each with one line; only this one unless made by `together`.

    Args:
        path: Path of the setting: ``("s3", "bucket")`` is ``UPLOADSVC_S3__BUCKET``.
        message: What is wrong, and what is allowed. It never contains a secret.
    """

    def __init__(self, path: tuple[str, ...], message: str) -> None:
        self.path = path
        self.message = message
        self.variable = variable(*path) if path else "settings"
        self.errors: tuple[SettingsError, ...] = (self,)
        super().__init__(f"{self.variable}: {message}")

    @classmethod
    def together(cls, errors: Iterable["SettingsError"]) -> "SettingsError":
        """Combine one or more errors.

        Each setting gets one line, because further errors may follow from the first.
        """
        first_by_path: dict[tuple[str, ...], SettingsError] = {}
        for error in (one for each in errors for one in each.errors):
            first_by_path.setdefault(error.path, error)
        first, *others = first_by_path.values()
        if not others:
            return first
        whole = cls(first.path, first.message)
        whole.errors = (first, *others)
        return whole

    def __str__(self) -> str:
        """Return the lines of all errors."""
        return "\n".join(f"{error.variable}: {error.message}" for error in self.errors)


def variable(*path: str) -> str:
    """Return the name of a setting's environment variable."""
    return ENV_PREFIX + ENV_DELIMITER.join(part.upper() for part in path)


_Check = TypeVar("_Check", bound=Callable[..., object])


def check(method: _Check) -> _Check:
    """Mark a method of a section that raises `SettingsError` if its values contradict each other.

    Unlike pydantic's validators, all checks of a section run, even after one has failed.
    """
    setattr(method, _CHECK, True)
    return method


class Section(BaseModel):
    """A section of the settings. It rejects unknown names.

    `docs/settings.md` is generated from the docstrings of sections and fields.
    """

    # Errors show no input: that of a section may start with its secrets.
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )

    @model_validator(mode="after")
    def _run_checks(self) -> Self:
        errors = []
        for method in _checks(type(self)):
            try:
                method(self)
            except SettingsError as error:
                errors.append(error)
        if errors:
            raise SettingsError.together(errors)
        return self


def _checks(section: type[Section]) -> Iterator[Callable[[Section], object]]:
    for each in reversed(section.__mro__):
        yield from (member for member in vars(each).values() if getattr(member, _CHECK, False))


def parse_size(value: object) -> object:
    """Parse ``5242880``, ``"5MB"`` or ``"5MiB"``; pydantic rejects other types.

    Raises:
        ValueError: The string has another form.
    """
    if not isinstance(value, str):
        return value
    if not _SIZE.fullmatch(value):
        message = "not a size; write bytes (5242880), '5MB' or '5MiB'"
        raise ValueError(message)
    return int(_BYTE_SIZE.validate_python(value))


Copied = TypeVar("Copied", bound=str | SecretStr)


def clean(value: Copied) -> Copied:
    """Check that a value was not copied with quotes, whitespace or a newline.

    Raises:
        ValueError: It was. The message does not quote the value.
    """
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if any(end in text for end in _LINE_ENDS):
        message = "holds a newline; write it in one line, without one at its end"
        raise ValueError(message)
    if text and any(character.isspace() or not character.isprintable() for character in (text[0], text[-1])):
        message = "begins or ends with whitespace or an invisible character; leave that out"
        raise ValueError(message)
    if len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES:
        message = "is in quotes, which would be part of it; write it without them"
        raise ValueError(message)
    return value


def split_list(value: object) -> object:
    """Split ``"a, b"`` into a list; pydantic rejects other types."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def unfold_pem(value: object) -> object:
    r"""Return PEM text with each literal ``\n`` replaced by a line end."""
    return value.replace("\\n", "\n") if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Form:
    """Validates strings by a pattern.

    Args:
        pattern: Regular expression for the whole string.
        allowed: The pattern in words, for the message.
    """

    pattern: str
    allowed: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate, after pydantic has checked that the value is a string."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the description to the schema."""
        return {**handler(schema), FORM: self.allowed}

    def _checked(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            message = f"must be {self.allowed}"
            raise ValueError(message)
        return value


def matching(pattern: str, allowed: str) -> Form:
    """Return a validator for strings that match ``pattern``; ``allowed`` describes it."""
    return Form(pattern, allowed)


Text = Annotated[str, AfterValidator(clean)]
Secret = Annotated[SecretStr, AfterValidator(clean)]
Size = Annotated[int, BeforeValidator(parse_size), Field(ge=0, json_schema_extra={FORM: "a size"})]
Names = Annotated[tuple[Text, ...], BeforeValidator(split_list)]
Pem = Annotated[str, BeforeValidator(unfold_pem), Field(json_schema_extra={FORM: "PEM text"})]
SecretPem = Annotated[SecretStr, BeforeValidator(unfold_pem), Field(json_schema_extra={FORM: "PEM text"})]
