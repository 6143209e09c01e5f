"""Each row of docs/security.md names tests that exist."""

import ast
import functools
import re
from collections.abc import Iterator
from typing import Final

from tests.support.servers import ROOT

PAGE: Final = ROOT / "docs" / "security.md"

_TEST: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the tables, without their heads."""
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        for line in table.splitlines()[2:]:
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


@functools.cache
def existing(name: str) -> frozenset[str]:
    """Return the names of the tests in a file; none if there is no such file."""
    path = ROOT / name
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def mistakes(text: str) -> list[str]:
    """Return what is wrong with a page: rows without a test, and tests that do not exist."""
    found = []
    for cells in rows(text):
        named = _TEST.findall(cells[-1])
        if len(cells) != 3 or not named:
            found.append(f"names no test: {cells[0]}")
        found += [f"no such test: {file}::{test}" for file, test in named if test not in existing(file)]
    return found


def test_every_row_names_a_test_that_exists() -> None:
    """A threat whose test was renamed or removed is found here."""
    text = PAGE.read_text(encoding="utf-8")
    assert mistakes(text) == []
    assert len(list(rows(text))) > 40


def test_mistakes_are_found() -> None:
    """What the test above goes by tells right from wrong."""
    here = "tests/unit/docs/test_security_page.py"
    head = "| threat | defence | test |\n|---|---|---|\n"
    good = f"| a | b | `{here}::test_mistakes_are_found` |\n"
    bad = f"| c | d | later |\n| e | f | `{here}::test_nothing` |\n| g | h | `tests/nowhere.py::test_x` |\n"
    assert mistakes(head + good) == []
    assert mistakes(head + good + bad) == [
        "names no test: c",
        f"no such test: {here}::test_nothing",
        "no such test: tests/nowhere.py::test_x",
    ]
