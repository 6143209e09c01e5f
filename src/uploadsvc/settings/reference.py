"""Every setting as Markdown tables, from the model alone; `make docs` writes them and those of the stores."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from uploadsvc.domain.providers import PROVIDERS
from uploadsvc.settings.stores import store_tables
from uploadsvc.settings.tree import ITEM, NAME, Group, Setting, groups
from uploadsvc.settings.types import variable
from uploadsvc.settings.wording import allowed, default

MARK: Final = "<!-- What follows is written by `make docs`. -->\n"


def generated() -> Mapping[str, str]:
    """Return the tables of each page that has some, by the page's name."""
    return {
        "settings.md": "\n".join(_table(group) for group in groups()),
        "providers.md": store_tables(PROVIDERS.values()),
    }


def rewritten(page: str, tables: str) -> str:
    """Return a page with these tables; what precedes them stays.

    Raises:
        ValueError: It has no place for them.
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
    """Tell whether the section may be there more than once, so that its variables are none of their own."""
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


if __name__ == "__main__":
    for name, tables in generated().items():
        target = Path(sys.argv[1], name)
        target.write_text(rewritten(target.read_text(encoding="utf-8"), tables), encoding="utf-8")
