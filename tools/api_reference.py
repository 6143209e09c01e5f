"""Write the pages of the API, its problems and its events: ``python -m tools.api_reference docs``."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from uploadsvc.api.problem_help import HELP
from uploadsvc.api.problems import ALL_TITLES, CONNECTION_TITLES, type_of
from uploadsvc.api.samples import LABELS

Schema = Mapping[str, Any]

DOCUMENT: Final = Path(__file__).parents[1] / "openapi.json"
NOTE: Final = "<!-- `make docs` writes this page. -->"
_PROBLEMS: Final = """\
Branch on `code`, whose meaning never changes, and handle unknown codes by their status. Show `detail` to
people. `errors` names the invalid fields. `type` is the path of the code's page in the service, with cause
and fix: open it in a browser. [`uploadsvc.js`](browser.md#errors) adds some codes."""
_OPERATIONS: Final = """\
All operations of [`openapi.json`](../openapi.json). You can try them out at `/docs` in a running service.
Bodies are JSON. [Generated clients](clients.md) exist for most languages. In the samples, replace names in
capitals, such as `TOKEN` and `KEY`, with your values."""
_BODIES: Final = """\
Bodies of the webhooks that your backend receives. [Events](events.md) explains when they are sent and how to
verify them."""
_FENCES: Final = {label: fence for fence, label in LABELS.items()}
_METHODS: Final = ("get", "post", "put", "delete")


def generated(document: Schema) -> Mapping[str, str]:
    """Return the generated pages by name."""
    return {"api.md": _api(document), "problems.md": _problems(), "events-reference.md": _events(document)}


def _problems() -> str:
    lines = [
        "# Problems",
        NOTE,
        "",
        "Every error is a problem document (RFC 9457, `application/problem+json`):",
        "",
        "```json",
        json.dumps(
            {
                "type": type_of("file_too_large"),
                "title": "File too large",
                "status": 413,
                "detail": "The file has 9 bytes; policy 'default' allows 5.",
                "code": "file_too_large",
                "errors": [{"field": "size", "detail": "The file has 9 bytes; policy 'default' allows 5."}],
            },
            indent=2,
        ),
        "```",
        "",
        _PROBLEMS,
        "",
        "| code | status | meaning |",
        "|---|---|---|",
    ]
    codes = sorted(ALL_TITLES, key=lambda code: ALL_TITLES[code][0].value)
    lines += [f"| [`{one}`](#{one}) | {ALL_TITLES[one][0].value} | {HELP[one].meaning} |" for one in codes]
    for code in codes:
        status, title = ALL_TITLES[code]
        about = HELP[code]
        lines += ["", f"## `{code}`", "", f"{status.value}, “{title}”. {about.meaning}"]
        if code in CONNECTION_TITLES:
            lines += ["", "Sent only by `uploadsvc serve`, which then closes the connection."]
        lines += ["", f"- **Cause.** {about.cause}", f"- **Fix.** {about.fix}"]
    return "\n".join([*lines, ""])


def _api(document: Schema) -> str:
    lines = [
        "# API",
        NOTE,
        "",
        _OPERATIONS,
        "",
        "| operation | | what it does |",
        "|---|---|---|",
    ]
    operations = [
        (method, path, item[method])
        for path, item in document["paths"].items()
        for method in _METHODS
        if method in item
    ]
    for method, path, operation in operations:
        name = operation["operationId"]
        lines.append(f"| [`{name}`](#{name.lower()}) | `{method.upper()} {path}` | {operation['summary']} |")
    lines += ["", "## Credentials", ""]
    for scheme in document["components"]["securitySchemes"].values():
        lines.append(f"- {_scheme(scheme)}: {scheme['description']}")
    for tag in document["tags"]:
        tagged = [one for one in operations if tag["name"] in one[2]["tags"]]
        if tagged:
            lines += ["", f"## Operations: {tag['name']}", "", tag["description"]]
        for method, path, operation in tagged:
            lines += _operation(method, path, operation)
    lines += ["", "## Types"]
    for name, schema in document["components"]["schemas"].items():
        lines += ["", f"### {name} (type)", "", *_type(schema)]
    return "\n".join([*lines, ""])


def _scheme(scheme: Schema) -> str:
    if scheme["type"] == "http":
        return "`Authorization: Bearer …`"
    return f"`{scheme['name']}` ({scheme['in']})"


def _operation(method: str, path: str, operation: Schema) -> Iterator[str]:
    yield from ("", f"### `{operation['operationId']}`", "", f"`{method.upper()} {path}`", "")
    yield operation.get("description", operation["summary"] + ".")
    if parameters := operation.get("parameters"):
        yield from ("", "| parameter | in | type | description |", "|---|---|---|---|")
        for one in parameters:
            about = _cell(one.get("description", "")) + (" **Required.**" if one.get("required") else "")
            yield f"| `{one['name']}` | {one['in']} | {_kind(one['schema'])} | {about} |"
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        yield from ("", f"Body: {_kind(body)}.")
    yield from ("", "| status | answer |", "|---|---|")
    for status, response in operation["responses"].items():
        yield f"| {status} | {_answer(response)} |"
    for sample in operation["x-codeSamples"]:
        yield from ("", f"{sample['label']}:", "", f"```{_FENCES[sample['label']]}", sample["source"], "```")


def _answer(response: Schema) -> str:
    content = response.get("content", {})
    if problem := content.get("application/problem+json"):
        return ", ".join(f"[`{code}`](problems.md#{code})" for code in problem["examples"])
    schema = content.get("application/json", {}).get("schema")
    kind = f" {_kind(schema)}" if schema else ""
    return f"{_cell(response['description'])}{kind}"


def _type(schema: Schema) -> Iterator[str]:
    yield schema.get("description", f"{_kind(schema)}.")
    if choices := schema.get("oneOf"):
        yield from ("", "One of " + ", ".join(_kind(choice) for choice in choices) + ".")
    if properties := schema.get("properties"):
        yield from ("", "| field | type | description |", "|---|---|---|")
        for name, field in properties.items():
            yield f"| `{name}` | {_kind(field)} | {_cell(field.get('description', ''))} |"


def _kind(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()}-type)"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(_kind(one) for one in schema[several])
    if values := schema.get("enum", [schema["const"]] if "const" in schema else None):
        return ", ".join(f"`{value}`" for value in values)
    if "items" in schema:
        return f"list of {_kind(schema['items'])}"
    kind = schema.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _events(document: Schema) -> str:
    lines = [
        "# Events: reference",
        NOTE,
        "",
        _BODIES,
    ]
    schemas = document["components"]["schemas"]
    for name, item in document["webhooks"].items():
        media = item["post"]["requestBody"]["content"]["application/json"]
        data = schemas[media["schema"]["$ref"].rpartition("/")[2]]["properties"]["data"]
        lines += ["", f"## `{name}`", "", f"{item['post']['summary']}.", ""]
        lines += ["| `data.` | type | description |", "|---|---|---|"]
        fields = schemas[data["$ref"].rpartition("/")[2]]["properties"]
        for field, schema in fields.items():
            kind = _kind(schema).replace("](#", "](api.md#")
            lines.append(f"| `{field}` | {kind} | {_cell(schema.get('description', ''))} |")
        if "example" in media:
            lines += ["", "```json", json.dumps(media["example"], indent=2, ensure_ascii=False), "```"]
    return "\n".join([*lines, ""])


def main() -> None:
    """Write the pages into a directory."""
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    for name, page in generated(document).items():
        Path(sys.argv[1], name).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
