"""Every setting that there is, found in the model's JSON Schema."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from uploadsvc.settings.model import Settings

NAME: Final = "NAME"
"""In a path, any name that the operator chooses."""

ITEM: Final = "0"
"""In a path, any place in a list."""

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        path: Where it is: ``("s3", "bucket")``, ``("policies", NAME, "max_size")``.
        schema: Its JSON Schema.
        required: Whether it has to be set where its section is.
    """

    path: tuple[str, ...]
    schema: Schema
    required: bool

    @property
    def description(self) -> str:
        """What it does, in one line; empty where the model does not say."""
        return _one_line(self.schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The settings of one section, without those of the sections in it.

    Attributes:
        path: Where it is; empty for the whole.
        description: What it is about, in one line.
        settings: In the order of the model.
    """

    path: tuple[str, ...]
    description: str
    settings: tuple[Setting, ...]


def groups() -> Iterator[Group]:
    """Walk the model, the whole before its sections."""
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
    """Return what stands between a field and the section that it holds, and that section's name, if any."""
    holders = {(): field, (NAME,): field.get("additionalProperties"), (ITEM,): field.get("items")}
    for inner, holder in holders.items():
        if isinstance(holder, Mapping) and "$ref" in holder:
            return inner, holder["$ref"].rpartition("/")[2]
    return (), None


def _one_line(schema: Schema) -> str:
    return " ".join(schema.get("description", "").split())
