"""The document's examples are accepted and returned by the service."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from tests.support.contract.document import DOCUMENT, OPERATIONS, Operation, assert_documented, schema_errors
from tests.support.contract.stage import FOR_ALICE, FOR_ALL, Stage, Target

SCHEMAS: Mapping[str, Any] = DOCUMENT["components"]["schemas"]
each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def documented_bodies(operation: Operation) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each documented response body: its status and media type object."""
    for status, response in operation.definition["responses"].items():
        for media in response.get("content", {}).values():
            yield status, media


def whole_examples(media: Mapping[str, Any]) -> list[Any]:
    """Return the examples of a whole body."""
    if "example" in media:
        return [media["example"]]
    return [example["value"] for example in media.get("examples", {}).values()]


def example_requests(operation: Operation, target: Target) -> Iterator[httpx.Request]:
    """Yield the requests that the document's examples make, for an existing target."""
    real = {"id": target.id, "key": target.key}
    path, query = operation.path, {}
    for parameter in operation.definition.get("parameters", []):
        name = parameter["name"]
        value = real.get(name, parameter["schema"]["examples"][0])
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", value)
        else:
            query[name] = value
    url = httpx.URL(f"http://uploads.test{path}", params=query or None)
    content = operation.definition.get("requestBody", {}).get("content")
    if content is None:
        yield httpx.Request(operation.method, url)
        return
    for body in content["application/json"]["schema"]["examples"]:
        # For Uppy the key is a filename.
        known: dict[str, object] = {}
        if "key" in body and operation.id != "signUppyRequest":
            known = {"key": target.key}
        elif "keys" in body:
            known = {"keys": [target.key]}
        yield httpx.Request(operation.method, url, json={**body, **known})


@each_operation
async def test_example_requests_are_granted(operation: Operation, stage: Stage) -> None:
    # The examples name part 3: the last one of 17 MiB in parts of 8 MiB.
    in_parts = {"method": "multipart", "size": 17 * 1024**2} if operation.id == "signParts" else {}
    target = await stage.target(stage.plain, None if in_parts else b"bytes", **in_parts)
    for request in example_requests(operation, target):
        own = {"claimObject": FOR_ALICE, "listAllObjects": FOR_ALL}
        request.headers.update(own.get(operation.id, stage.plain.headers))
        answer = await stage.plain.send(request)
        assert answer.is_success, answer.text
        assert_documented(operation, answer)
        # Every part of a batch is granted.
        assert not any(
            "problem" in one for one in (answer.json() if answer.content else {}).get("results", [])
        )


@each_operation
def test_example_responses_match_their_schemas(operation: Operation) -> None:
    """A union has one example per variant. Formats are checked too."""
    for status, media in documented_bodies(operation):
        examples = whole_examples(media)
        assert examples, status
        for example in examples:
            assert not schema_errors(media["schema"], example), (status, example)


def test_new_uploads_have_an_example_per_method() -> None:
    response = OPERATIONS["createUpload"].definition["responses"]["201"]
    examples = response["content"]["application/json"]["examples"]
    assert examples.keys() == {"put", "post", "multipart"}
    assert all(example["value"]["method"] == name for name, example in examples.items())


@pytest.mark.parametrize("name", SCHEMAS)
def test_examples_of_fields_match_their_schemas(name: str) -> None:
    for schema in (SCHEMAS[name], *SCHEMAS[name].get("properties", {}).values()):
        for example in schema.get("examples", []):
            assert not schema_errors(schema, example), schema


@each_operation
def test_examples_of_requests_match_their_schemas(operation: Operation) -> None:
    schemas = [parameter["schema"] for parameter in operation.definition.get("parameters", [])]
    bodies = operation.definition.get("requestBody", {}).get("content", {}).values()
    for schema in (*schemas, *(media["schema"] for media in bodies)):
        assert schema["examples"]
        for example in schema["examples"]:
            assert not schema_errors(schema, example), schema
