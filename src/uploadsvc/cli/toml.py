"""Write TOML, which the standard library only reads: https://toml.io/en/v1.0.0."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")

Path = tuple[str, ...]


def document(values: Mapping[str, Any], comments: Mapping[Path, str]) -> str:
    """Return a TOML document.

    Args:
        values: Text, whole numbers, truth values, lists of text, tables, and lists of tables.
        comments: A line to write above a value or a table, by its path.
    """
    return "\n".join(_table(values, comments, ())).strip() + "\n"


def _table(values: Mapping[str, Any], comments: Mapping[Path, str], path: Path) -> Iterator[str]:
    # Values first: after the header of a table, they would belong to that table.
    for name, value in values.items():
        if not _is_nested(value):
            yield from _comment(comments, (*path, name))
            yield f"{_key(name)} = {_value(value)}"
    for name, value in values.items():
        if not _is_nested(value):
            continue
        inner = (*path, name)
        header = ".".join(map(_key, inner))
        for table in [value] if isinstance(value, Mapping) else value:
            # A table of tables alone needs no header of its own.
            if isinstance(value, list) or not value or any(not _is_nested(one) for one in table.values()):
                yield ""
                yield from _comment(comments, inner)
                yield f"[[{header}]]" if isinstance(value, list) else f"[{header}]"
            yield from _table(table, comments, inner)


def _is_nested(value: object) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
    )


def _comment(comments: Mapping[Path, str], path: Path) -> Iterator[str]:
    if path in comments:
        yield from (f"# {line}" for line in comments[path].splitlines())


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    # As in JSON, except that TOML escapes one more control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
