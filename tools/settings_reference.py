"""Write the tables of docs/settings.md and docs/providers.md: ``python -m tools.settings_reference docs``."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.provider_tables import store_tables
from uploadsvc.domain.providers import PROVIDERS
from uploadsvc.settings.model import Settings
from uploadsvc.settings.types import FORM, variable

NAME: Final = "NAME"
"""In a path, a name that the operator chooses."""

ITEM: Final = "0"
"""In a path, an index of a list."""

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        path: Path such as ``("s3", "bucket")`` or ``("policies", NAME, "max_size")``.
        schema: JSON Schema of the value.
        required: Whether it must be set.
    """

    path: tuple[str, ...]
    schema: Schema
    required: bool

    @property
    def description(self) -> str:
        """Description in one line; empty if the model has none."""
        return _one_line(self.schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Settings of one section, without its subsections.

    Attributes:
        path: Path of the section; empty for the top level.
        description: Description in one line.
        settings: Settings in the order of the model.
    """

    path: tuple[str, ...]
    description: str
    settings: tuple[Setting, ...]


def groups() -> Iterator[Group]:
    """Yield the sections of the model, the top level first."""
    schema = Settings.model_json_schema()
    yield from _groups((), schema, schema["$defs"])


def _groups(path: tuple[str, ...], schema: Schema, definitions: Schema) -> Iterator[Group]:
    settings, sections = [], []
    for name, field in schema["properties"].items():
        inner, section = _section(field)
        if section is None:
            required = name in schema.get("required", ())
            settings.append(Setting(path=(*path, name), schema=field, required=required))
        else:
            sections.append(((*path, name, *inner), definitions[section]))
    yield Group(path=path, description=_one_line(schema), settings=tuple(settings))
    for section_path, section_schema in sections:
        yield from _groups(section_path, section_schema, definitions)


def _section(field: Schema) -> tuple[tuple[str, ...], str | None]:
    """Return the path from a field to the section that it holds, and the section's schema name, if any."""
    holders = {(): field, (NAME,): field.get("additionalProperties"), (ITEM,): field.get("items")}
    for inner, holder in holders.items():
        if isinstance(holder, Mapping) and "$ref" in holder:
            return inner, holder["$ref"].rpartition("/")[2]
    return (), None


def _one_line(schema: Schema) -> str:
    return " ".join(schema.get("description", "").split())


MARK: Final = "<!-- What follows is written by `make docs`. -->\n"


def generated() -> Mapping[str, str]:
    """Return the generated tables by page."""
    return {
        "settings.md": "\n".join(_table(group) for group in groups()),
        "providers.md": store_tables(PROVIDERS.values()),
    }


def rewritten(page: str, tables: str) -> str:
    """Return a page with its tables replaced.

    Raises:
        ValueError: The page lacks the mark.
    """
    head, mark, _ = page.partition(MARK)
    if not mark:
        message = f"the page lacks the line {MARK.strip()!r}"
        raise ValueError(message)
    return f"{head}{mark}\n{tables}"


def _table(group: Group) -> str:
    lines = [f"## {_heading(group)}"]
    if group.path:
        lines += ["", group.description]
    if sentence := _in_environment(group):
        lines += ["", sentence]
    if group.settings:
        lines += ["", f"| {'field' if _is_inner(group) else 'variable'} | value | default | description |"]
        lines += ["|---|---|---|---|", *(_row(setting, group) for setting in group.settings)]
    return "\n".join([*lines, ""])


def _heading(group: Group) -> str:
    if not group.path:
        return group.description.rstrip(".")
    name = ".".join(part for part in group.path if part != ITEM)
    return f"`[[{name}]]`" if group.path[-1] == ITEM else f"`[{name}]`"


def _is_inner(group: Group) -> bool:
    """Return whether the section can repeat, so that its fields have no separate variables."""
    return not {NAME, ITEM}.isdisjoint(group.path)


def _in_environment(group: Group) -> str:
    if not _is_inner(group):
        return ""
    *path, last = group.path
    if last == ITEM:
        return f"As a variable: `{variable(*path)}`, a JSON list."
    if last == NAME:
        whole, one = variable(*path), variable(*group.settings[0].path)
        return f"As a variable: `{whole}`, a JSON object by name, or one for each value, such as `{one}`."
    return f"As a variable: one for each value, such as `{variable(*group.settings[0].path)}`."


def _row(setting: Setting, group: Group) -> str:
    name = setting.path[-1] if _is_inner(group) else variable(*setting.path)
    cells = (f"`{name}`", allowed(setting.schema), default(setting), setting.description)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


_UNITS: Final = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def allowed(schema: Schema) -> str:
    """Describe the allowed values."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    return " or ".join(_kind(kind) for kind in kinds)


def default(setting: Setting) -> str:
    """Describe the default of a setting."""
    if setting.required:
        return "**required**"
    value = setting.schema.get("default")
    if value is None or value == "":
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
    if "type" not in kind:
        return str(kind[FORM])
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


def _mapping(kind: Schema) -> str:
    values = kind["additionalProperties"]
    nullable = any(one.get("type") == "null" for one in values.get("anyOf", ()))
    return f"a table: name = {allowed(values)}{' or null' if nullable else ''}"


_BY_TYPE: Final[Mapping[str, Callable[[Schema], str]]] = {
    "string": _text,
    "integer": _number,
    "boolean": lambda _: "`true` or `false`",
    "array": _list,
    "object": _mapping,
}


def _ordered(value: list[Any] | Mapping[str, Any], schema: Schema) -> list[Any]:
    """Return the items of a default; those of a set in a stable order."""
    items = list(value)
    known = schema.get("items", {}).get("enum", sorted(items))
    return sorted(items, key=known.index) if schema.get("uniqueItems") else items


def _size(count: int) -> str:
    for unit, factor in _UNITS:
        if count and count % factor == 0:
            return f"{count // factor}{unit}"
    return str(count)


if __name__ == "__main__":
    for name, tables in generated().items():
        target = Path(sys.argv[1], name)
        target.write_text(rewritten(target.read_text(encoding="utf-8"), tables), encoding="utf-8")
