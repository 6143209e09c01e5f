"""Write the names that 1.x keeps: ``python -m tools.stable``, for ``tests/unit/docs/stable.json``.

docs/stability.md promises them, and a test compares: the names in it stay until 2.0. Regenerate the file
at each release, so that it also promises what was added since.
"""

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import typer

import uploadsvc.app
from tools.settings_reference import groups
from uploadsvc import client
from uploadsvc.api.problems import STATUS_TITLES
from uploadsvc.cli.commands import app
from uploadsvc.client.objects import AsyncObjects, AsyncTokens
from uploadsvc.client.sync import Objects, Tokens
from uploadsvc.telemetry.metrics import Metrics

ROOT: Final = Path(__file__).resolve().parent.parent
FILE: Final = ROOT / "tests" / "unit" / "docs" / "stable.json"

_CONSTRUCTED: Final = frozenset({"AsyncClient", "Client", "Principal"})
"""Classes that users instantiate. Others are only returned or raised."""

_OPAQUE: Final = frozenset({"Metrics", "Principal", "Settings"})
"""Classes that users only pass on."""

_OWN_USE: Final = frozenset({"read", "retrying"})
"""Members that only the client itself uses."""

_TYPES: Final = ("uploadsvc", "queue", "dropzone", "react")
_EXPORT: Final = re.compile(r"^export (?:class|function|namespace|type) (\w+)")
_MEMBER: Final = re.compile(r"^    (?:get )?(?!constructor|private|_)(?:let )?([\w]+)\??[:(]")
_SET: Final = re.compile(r"^        self\.([a-z]\w*)(?:: .+)? = ", re.MULTILINE)
_REF: Final = re.compile(r'"#/components/schemas/(\w+)"')

Schema = Mapping[str, Any]


def surface() -> dict[str, list[str]]:
    """Return all names that are promised, by area."""
    document = json.loads(_text("openapi.json"))
    chart = json.loads(_text("deploy/helm/uploadsvc/values.schema.json"))
    areas = {
        "API": _api(document),
        "settings": _settings(),
        "metrics": (
            f"{one.name}{{{','.join(one.labels)}}}" if one.labels else one.name
            for one in Metrics().definitions().values()
        ),
        "logs": _logs(_text("docs/logs.md")),
        "commands": _commands("uploadsvc", typer.main.get_command(app)),
        "Python": _python(),
        "npm": (name for module in _TYPES for name in _npm(module)),
        "chart": _values("", chart),
    }
    return {area: sorted(set(names)) for area, names in areas.items()}


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _settings() -> Iterator[str]:
    for setting in (setting for group in groups() for setting in group.settings):
        name = ".".join(setting.path)
        yield name
        if not setting.required:
            yield f"{name} may be left out"


def _api(document: Schema) -> Iterator[str]:
    """Yield operations, parameters, problem codes, events, and the fields of bodies.

    A field that requests may leave out stays so, and a field that responses always have stays so.
    """
    schemas: Mapping[str, Schema] = document["components"]["schemas"]
    operations = {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    for name, operation in operations.items():
        yield f"{name} ({operation['operationId']})"
        yield from (f"{name} ?{one['name']}" for one in operation.get("parameters", ()))
        yield from (f"{name} -> {status}" for status in operation["responses"])
    yield from (f"code {code}" for code in STATUS_TITLES)
    yield from (f"event {name}" for name in document["webhooks"])
    asked = _reached(schemas, [operation.get("requestBody") for operation in operations.values()])
    told = _reached(
        schemas, [document["webhooks"], *(operation["responses"] for operation in operations.values())]
    )
    for name in sorted(asked | told):
        required = set(schemas[name].get("required", ()))
        for field in schemas[name].get("properties", ()):
            yield f"{name}.{field}"
            if name in asked and field not in required:
                yield f"{name}.{field} may be left out"
            if name in told and field in required:
                yield f"{name}.{field} is always there"


def _reached(schemas: Mapping[str, Schema], start: object) -> set[str]:
    """Return the names of the schemas that something refers to, directly or not."""
    found: set[str] = set()
    waiting = set(_REF.findall(json.dumps(start)))
    while waiting:
        found |= waiting
        waiting = {name for one in waiting for name in _REF.findall(json.dumps(schemas[one]))} - found
    return found


def _logs(page: str) -> Iterator[str]:
    """Yield the fields and events in the two tables of the page."""
    for field_or_event in re.findall(r"^\| (`[^|]+) \|", page.partition("\n## Traces")[0], re.MULTILINE):
        yield from re.findall(r"`(\w+)`", field_or_event)


def _commands(name: str, command: Any) -> Iterator[str]:  # noqa: ANN401 - click's classes are typer's own
    yield name
    yield from (f"{name} {option}" for one in command.params for option in one.opts if option[0] == "-")
    for inner, one in getattr(command, "commands", {}).items():
        if not one.hidden:
            yield from _commands(f"{name} {inner}", one)


def _python() -> Iterator[str]:
    """Yield the exports of the public modules, with the names of parameters and public attributes."""
    for module in (uploadsvc.app, client):
        for name in module.__all__:
            value = getattr(module, name)
            path = f"{module.__name__}.{name}"
            yield path
            if inspect.isfunction(value):
                yield from _parameters(path, value)
            elif name in _CONSTRUCTED:
                yield from _parameters(path, value.__init__)
            if inspect.isclass(value) and name not in _OPAQUE:
                yield from _members(path, value)
    for name, group in (
        ("objects", AsyncObjects),
        ("objects", Objects),
        ("tokens", AsyncTokens),
        ("tokens", Tokens),
    ):
        yield from _members(f"uploadsvc.client: client.{name}", group)


def _members(path: str, value: type) -> Iterator[str]:
    ours = [base for base in value.__mro__ if base.__module__.startswith("uploadsvc.")]
    names = {name for base in ours for name in (*vars(base), *vars(base).get("__annotations__", ()))}
    # Annotated in no class body: attributes that __init__ sets.
    names.update(name for base in ours for name in _SET.findall(inspect.getsource(base)))
    for name in names - _OWN_USE:
        if not name.startswith("_"):
            yield f"{path}.{name}"
            found = inspect.getattr_static(value, name, None)
            if inspect.isfunction(found):
                yield from _parameters(f"{path}.{name}", found)


def _parameters(name: str, function: Callable[..., object]) -> Iterator[str]:
    """Yield the parameters, and as one text the required ones, to which none may be added."""
    parameters = [one for one in inspect.signature(function).parameters.values() if one.name != "self"]
    required = [one.name for one in parameters if one.default is one.empty]
    yield f"{name}({', '.join(required)}) suffices"
    yield from (f"{name}({one.name}=)" for one in parameters if not one.name.startswith("_"))


def _npm(module: str) -> Iterator[str]:
    """Yield the exports of a module of the npm package, with the members of its classes and types."""
    folder = "packages/browser/src" if module == "react" else "src/uploadsvc/web"
    exported = ""
    for line in _text(f"{folder}/{module}.d.ts").splitlines():
        if found := _EXPORT.match(line):
            exported = found[1]
            yield f"{module}: {exported}"
        elif line and not line.startswith((" ", "}")):
            exported = ""
        elif exported and (member := _MEMBER.match(line)):
            yield f"{module}: {exported}.{member[1]}"


def _values(path: str, schema: Schema) -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}{name}"
        yield from _values(f"{path}{name}.", inner)


def main() -> None:
    """Write the file."""
    FILE.write_text(json.dumps(surface(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
