"""The committed document: its operations, and whether a response matches it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from tests.support.servers import ROOT

DOCUMENT: Final[dict[str, Any]] = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the document.

    Attributes:
        id: The ``operationId``.
        method: HTTP method in lower case.
        path: Path with its parameters in braces.
        definition: The operation object.
    """

    id: str
    method: str
    path: str
    definition: Mapping[str, Any]

    def outcomes(self) -> Iterator[str]:
        """Yield the possible outcomes: codes of problems, and statuses of success."""
        for status, response in self.definition["responses"].items():
            if status.startswith("2"):
                yield status
            else:
                yield from response["content"]["application/problem+json"]["examples"]


def _operations() -> Iterator[Operation]:
    for path, methods in DOCUMENT["paths"].items():
        for method, definition in methods.items():
            yield Operation(id=definition["operationId"], method=method, path=path, definition=definition)


OPERATIONS: Final = {operation.id: operation for operation in _operations()}


def schema_errors(schema: Mapping[str, Any], value: object) -> list[str]:
    """Return how a value violates a schema of the document, formats included."""
    # References start at the root: "#/components/…".
    rooted = {**schema, "components": DOCUMENT["components"]}
    validator = OAS31Validator(rooted, format_checker=oas31_format_checker)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def assert_documented(operation: Operation, answer: httpx.Response) -> None:
    """Assert that the document has a response's status, content type, body and code."""
    response = operation.definition["responses"].get(str(answer.status_code))
    assert response is not None, f"{operation.id} answers {answer.status_code}, undocumented: {answer.text}"
    content = response.get("content", {})
    if not content:
        assert not answer.content
        return
    media_type = answer.headers["content-type"]
    assert media_type in content
    assert not schema_errors(content[media_type]["schema"], answer.json())
    if not answer.is_success:
        assert answer.json()["code"] in content[media_type]["examples"]
