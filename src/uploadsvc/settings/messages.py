"""Error messages of settings: what is wrong and what is allowed, never the value."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from annotated_types import Ge, Le
from pydantic import ValidationError

from uploadsvc.settings.names import field_at, meant
from uploadsvc.settings.types import FORM, SettingsError

_SHAPES: Final[Mapping[tuple[str, ...], str]] = {
    ("policies",): """a JSON object by name, such as {"default": {"max_size": "1GiB"}}""",
    ("auth", "api_keys"): """a JSON list of objects, such as [{"name": "billing", "sha256": "..."}]""",
    ("secret_keys",): """a JSON list of strings, ["...", "..."]""",
    ("receipts", "public_keys"): """a JSON list of PEM texts, ["...", "..."]""",
}


class NotJson(str):
    """Text that is not JSON, such as ``a, b``, which some settings accept as a list.

    Attributes:
        where: Position and reason of the JSON error.
    """

    __slots__ = ("where",)

    where: str


def decoded(text: str, decode: Callable[[str], Any] = json.loads) -> Any:  # noqa: ANN401 - any JSON
    """Parse text as JSON, or return it for the model to validate."""
    try:
        found = decode(text)
    except (ValueError, RecursionError) as error:
        other = NotJson(text)
        other.where = _where(error)
        return other
    # A list of one item, such as a client id of digits.
    return found if isinstance(found, list | dict | str) else text


def _where(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        # The part after a colon may quote a character of the value.
        return f"line {error.lineno}, column {error.colno}: {error.msg.partition(': ')[0]}"
    return "it is nested too deeply, or holds a number that is too long"


def errors_of(error: ValidationError) -> Iterator[SettingsError]:
    """Yield an error for each of pydantic's."""
    for problem in error.errors(include_url=False):
        path = tuple(str(part) for part in problem["loc"])
        context = problem.get("ctx", {})
        cause = context.get("error")
        if isinstance(cause, SettingsError):
            yield from cause.errors
        elif problem["type"] == "missing" and path == ("s3",):
            yield SettingsError(("s3", "bucket"), "missing; it has to be set")
        else:
            yield SettingsError(path, _words(path, problem["type"], problem["input"], context, cause))


_FIXED: Final[Mapping[str, str]] = {
    "missing": "missing; it has to be set",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_unicode": "must be text",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
}
_SHAPED: Final = frozenset({"dict_type", "model_type", "tuple_type", "frozen_set_type"})
_NUMBERS: Final = ("int_", "float_", "finite_", "greater_than", "less_than")


def _words(  # noqa: PLR0911 - a table
    path: tuple[str, ...], kind: str, given: object, context: Mapping[str, Any], cause: object
) -> str:
    if kind in _SHAPED:
        return _shape(path, kind, given)
    if kind.startswith(_NUMBERS):
        return _number(path)
    match kind:
        case "value_error":
            return str(cause)
        case "literal_error":
            return f"must be {context['expected']}"
        case "extra_forbidden":
            return f"there is no such setting; {meant(path)}"
        case "string_too_long":
            return f"must have at most {context['max_length']} characters"
        case _:
            return _FIXED.get(kind, "must have another form; docs/settings.md shows it")


def _shape(path: tuple[str, ...], kind: str, given: object) -> str:
    default = "a JSON list" if kind in {"tuple_type", "frozen_set_type"} else "a JSON object"
    shape = _SHAPES.get(path, default)
    if isinstance(given, NotJson):
        return f"not JSON ({given.where}); must be {shape}"
    return f"must be {shape}"


def _number(path: tuple[str, ...]) -> str:
    field = field_at(path)
    known = field.metadata if field else ()
    extra = field.json_schema_extra if field else None
    if isinstance(extra, dict) and FORM in extra:
        return "must be a size: bytes (5242880), '5MB' or '5MiB'"
    least = next((one.ge for one in known if isinstance(one, Ge)), None)
    most = next((one.le for one in known if isinstance(one, Le)), None)
    if most is not None:
        return f"must be a whole number, {least or 0} to {most}"
    return "must be a whole number" if least is None else f"must be a whole number, {least} or more"
