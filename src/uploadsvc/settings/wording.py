"""A setting's JSON Schema in plain words: what its value may be, and what it is when nobody sets it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from uploadsvc.settings.tree import Schema, Setting
from uploadsvc.settings.types import FORM

_UNITS: Final = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def allowed(schema: Schema) -> str:
    """Say what a value may be."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    return " or ".join(_kind(kind) for kind in kinds)


def default(setting: Setting) -> str:
    """Say what a setting is when nobody sets it."""
    if setting.required:
        return "**required**"
    value = setting.schema.get("default")
    if value is None:
        return "not set"
    if isinstance(value, list | Mapping):
        return ", ".join(f"`{item}`" for item in _ordered(value, setting.schema)) or "none"
    if isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, int) and FORM in setting.schema:
        value = _size(value)
    return f"`{value}`"


def _kind(kind: Schema) -> str:
    if "enum" in kind:
        return _either(f"`{value}`" for value in kind["enum"])
    return _BY_TYPE[kind["type"]](kind)


def _either(values: Iterator[str]) -> str:
    *others, last = values
    return f"{', '.join(others)} or {last}" if others else last


def _text(kind: Schema) -> str:
    secret = "a secret" if kind.get("writeOnly") else ""
    return ", ".join(filter(None, (kind.get(FORM), secret))) or "text"


def _number(kind: Schema) -> str:
    least, most = kind.get("minimum"), kind.get("maximum")
    if FORM in kind:
        return str(kind[FORM])
    if most is not None:
        return f"a number, {least or 0} to {most}"
    return "a number" if least is None else f"a number, {least} or more"


def _list(kind: Schema) -> str:
    each = allowed(kind["items"])
    return "a list" if each == "text" else f"a list; each {each}"


def _table(kind: Schema) -> str:
    values = kind["additionalProperties"]
    nullable = any(one.get("type") == "null" for one in values.get("anyOf", ()))
    return f"a table: name = {allowed(values)}{' or null' if nullable else ''}"


_BY_TYPE: Final[Mapping[str, Callable[[Schema], str]]] = {
    "string": _text,
    "integer": _number,
    "boolean": lambda _: "`true` or `false`",
    "array": _list,
    "object": _table,
}


def _ordered(value: list[Any] | Mapping[str, Any], schema: Schema) -> list[Any]:
    """Return the items of a default; those of a set in an order that is always the same."""
    items = list(value)
    known = schema.get("items", {}).get("enum", sorted(items))
    return sorted(items, key=known.index) if schema.get("uniqueItems") else items


def _size(count: int) -> str:
    for unit, factor in _UNITS:
        if count and count % factor == 0:
            return f"{count // factor}{unit}"
    return str(count)
