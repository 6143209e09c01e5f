"""Values as people write them: sizes, lists, PEM text in one line."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

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


def matching(pattern: str, allowed: str) -> AfterValidator:
    """Return a validator that takes strings of one form and otherwise says what is allowed."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            message = f"must be {allowed}"
            raise ValueError(message)
        return value

    return AfterValidator(check)


Size = Annotated[int, BeforeValidator(parse_size), Field(ge=0)]
Names = Annotated[tuple[str, ...], BeforeValidator(split_list)]
Pem = Annotated[str, BeforeValidator(unfold_pem)]
SecretPem = Annotated[SecretStr, BeforeValidator(unfold_pem)]
