"""Names of settings: look them up, and suggest one for a name that does not exist."""

import difflib
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from uploadsvc.settings.model import Settings
from uploadsvc.settings.types import variable

FILE: Final = "_file"
"""Suffix of names whose value is the path of a file with the value."""

Path = tuple[str, ...]
Fields = Mapping[str, FieldInfo]


def fields_of(annotation: Any) -> Fields | None:  # noqa: ANN401 - any type
    """Return the fields of a section; ``None`` for other types."""
    for kind in _kinds(annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind.model_fields
    return None


def items_of(annotation: Any) -> Any:  # noqa: ANN401 - any type
    """Return the item type of a list, or the value type of a table; ``None`` for other types."""
    for kind in _kinds(annotation):
        arguments = get_args(kind)
        if get_origin(kind) is dict:
            return arguments[1]
        if get_origin(kind) in {tuple, frozenset, list}:
            return arguments[0]
    return None


def type_at(path: Path) -> Any:  # noqa: ANN401 - any type
    """Return the type of the setting at a path; ``None`` if there is none."""
    found: Any = Settings
    for part in path:
        fields = fields_of(found)
        field = (fields or {}).get(part)
        found = items_of(found) if fields is None else field and field.annotation
    return found


def field_at(path: Path) -> FieldInfo | None:
    """Return the field at a path; ``None`` for items of lists and tables, and for unknown names."""
    return (fields_of(type_at(path[:-1])) or {}).get(path[-1]) if path else None


def in_file(name: str, fields: Fields) -> str | None:
    """Return the field that a ``_file`` name stands for; ``None`` for other names."""
    target = name.removesuffix(FILE)
    return target if target != name and name not in fields and target in fields else None


def meant(path: Path) -> str:
    """Suggest a setting for a name that does not exist."""
    fields = fields_of(type_at(path[:-1])) or {}
    close = _closest(path[-1], [*fields, *(name + FILE for name in fields)])
    # Fields of list items have no environment variables.
    alone = any(part.isdigit() for part in path)
    if close is not None:
        return f"did you mean {close if alone else variable(*path[:-1], close)}?"
    if not alone and (other := meant_by_variable(path)) is not None:
        return f"did you mean {other}?"
    return f"known are {', '.join(sorted(fields))}"


def meant_by_variable(path: Path) -> str | None:
    """Return the variable most similar to one that does not exist."""
    close = _closest("_".join(path), names := {"_".join(known): known for known in _all()})
    return None if close is None else variable(*names[close])


def _closest(name: str, names: Any) -> str | None:  # noqa: ANN401 - an iterable of names
    found = difflib.get_close_matches(name.lower(), list(names), n=1)
    return found[0] if found else None


def _all(annotation: Any = Settings, path: Path = ()) -> Iterator[Path]:  # noqa: ANN401 - any type
    """Yield the paths of all settings with environment variables."""
    for name, field in (fields_of(annotation) or {}).items():
        inner = (*path, name)
        if fields_of(field.annotation) is None:
            yield inner
            yield (*path, name + FILE)
        else:
            yield from _all(field.annotation, inner)


def _kinds(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - any type
    if get_origin(annotation) is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif get_origin(annotation) in {Union, UnionType}:
        for kind in get_args(annotation):
            yield from _kinds(kind)
    elif annotation is not NoneType:
        yield annotation
