"""Every fix that the doctor can name, read from its code: texts with ``{}`` for what a run fills in."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import uploadsvc.doctor

_DOCTOR: Final = Path(next(iter(uploadsvc.doctor.__path__)))
_MAKERS: Final = {"failed", "warning", "skipped"}
_FIX: Final = 2
"""Position of the fix among the arguments of what makes a finding."""


@dataclass(frozen=True, slots=True, order=True)
class Fix:
    """One place that makes a finding, and one text that it can name as the fix.

    Attributes:
        place: Module and function, such as ``connection._clock``.
        text: The fix, with ``{}`` for each value.
    """

    place: str
    text: str

    def matches(self, told: str) -> bool:
        """Return whether a finding's fix is this one."""
        pattern = ".*".join(re.escape(part) for part in self.text.split("{}"))
        return re.fullmatch(pattern, told) is not None


@cache
def all_fixes() -> tuple[Fix, ...]:
    """Return each fix of each place; one is listed twice if two findings of a place name it."""
    code = _Code()
    return tuple(
        Fix(f"{module}.{function.name}", text)
        for module, function in code.functions
        for argument in _arguments(function)
        for text in code.texts(argument, module, function)
    )


def _arguments(function: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions that become a finding's fix."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        yield from (keyword.value for keyword in node.keywords if keyword.arg in {"mend", "fix"})
        for maker in ast.walk(node.func):
            if isinstance(maker, ast.Name) and maker.id in _MAKERS:
                yield from node.args[_FIX : _FIX + 1]


class _Code:
    """The doctor's modules, as syntax."""

    def __init__(self) -> None:
        paths = [path for path in sorted(_DOCTOR.rglob("*.py")) if path.stem != "findings"]
        trees = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
        self.functions = [
            (module, node)
            for module, tree in trees.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        self._constants = {
            (module, node.target.id): node.value
            for module, tree in trees.items()
            for node in tree.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value
        }

    def texts(self, node: ast.expr, module: str, scope: ast.AST) -> list[str]:
        """Return every text that an expression can have.

        Raises:
            AssertionError: It is built in a way that is not known here.
        """
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr():
                return ["".join(self._piece(each, module) for each in node.values)]
            case ast.IfExp():
                return self.texts(node.body, module, scope) + self.texts(node.orelse, module, scope)
            case ast.Name():
                return self._named(node, module, scope)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                return self._returned(name, module)
            case ast.Attribute(attr="fix"):
                return []  # an obstacle's: listed where that is made
            case _:
                message = f"{module}: the fix is built by {ast.unparse(node)}"
                raise AssertionError(message)

    def _piece(self, node: ast.expr, module: str) -> str:
        """Return a piece of an f-string: its text, a constant's text, or ``{}``."""
        if isinstance(node, ast.Constant):
            return str(node.value)
        named = node.value if isinstance(node, ast.FormattedValue) else node
        constant = self._constant(named.id, module) if isinstance(named, ast.Name) else None
        return str(constant.value) if isinstance(constant, ast.Constant) else "{}"

    def _named(self, node: ast.Name, module: str, scope: ast.AST) -> list[str]:
        name = node.id
        assigned = [
            (each.lineno, each.value)
            for each in ast.walk(scope)
            if isinstance(each, ast.Assign) and any(ast.unparse(to) == name for to in each.targets)
        ]
        values = [value for line, value in sorted(assigned, key=lambda one: one[0]) if line < node.lineno][
            -1:
        ]
        constant = self._constant(name, module)
        if not values and constant is not None:
            values = [constant]
        assert values, f"{module}: {name} is a fix that is not known here"
        return [text for value in values for text in self.texts(value, module, scope)]

    def _constant(self, name: str, module: str) -> ast.expr | None:
        # Without one in the module, it is imported from another.
        values = [value for (_, known), value in self._constants.items() if known == name]
        return self._constants.get((module, name), values[0] if values else None)

    def _returned(self, name: str, module: str) -> list[str]:
        found = [(where, function) for where, function in self.functions if function.name == name]
        own = [each for each in found if each[0] == module]
        where, function = (own or found)[0]
        return [
            text
            for node in ast.walk(function)
            if isinstance(node, ast.Return) and node.value is not None
            for text in self.texts(node.value, where, function)
        ]
