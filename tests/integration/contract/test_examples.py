"""What the document gives as examples is what the service takes, and what it answers."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from tests.support.contract.document import DOCUMENT, OPERATIONS, Operation, assert_documented, faults
from tests.support.contract.stage import Stage, Target

SCHEMAS: Mapping[str, Any] = DOCUMENT["components"]["schemas"]
each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def answers(operation: Operation) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give each documented answer that has a body: its status, and the body's media type object."""
    for status, response in operation.definition["responses"].items():
        for media in response.get("content", {}).values():
            yield status, media


def whole_examples(media: Mapping[str, Any]) -> list[Any]:
    """Return the examples of a whole body."""
    if "example" in media:
        return [media["example"]]
    return [example["value"] for example in media.get("examples", {}).values()]


def exemplary(operation: Operation, target: Target) -> Iterator[httpx.Request]:
    """Give the requests that the document's examples make, about something that is there."""
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
        # Uppy's is what a new object shall be called.
        known = {"key": target.key} if "key" in body and operation.id != "signUppyRequest" else {}
        yield httpx.Request(operation.method, url, json={**body, **known})


@each_operation
async def test_a_request_of_examples_is_granted(operation: Operation, stage: Stage) -> None:
    """With every parameter that has a name, and the body as it stands."""
    # Part 3 of the examples is the last of an upload by default parts of 8 MiB.
    in_parts = {"method": "multipart", "size": 17 * 1024**2} if operation.id == "signParts" else {}
    target = await stage.target(stage.plain, None if in_parts else b"bytes", **in_parts)
    for request in exemplary(operation, target):
        request.headers.update(stage.plain.headers)
        answer = await stage.plain.send(request)
        assert answer.is_success, answer.text
        assert_documented(operation, answer)
        # Each in a batch is granted by itself.
        assert all("upload" in one for one in (answer.json() if answer.content else {}).get("results", []))


@each_operation
def test_an_answer_has_a_whole_example_by_its_schema(operation: Operation) -> None:
    """A union has one for each of its variants; formats are checked too."""
    for status, media in answers(operation):
        examples = whole_examples(media)
        assert examples, status
        for example in examples:
            assert not faults(media["schema"], example), (status, example)


def test_a_new_upload_has_an_example_for_each_method() -> None:
    """By name; what is told apart by `method` says which it is."""
    response = OPERATIONS["createUpload"].definition["responses"]["201"]
    examples = response["content"]["application/json"]["examples"]
    assert examples.keys() == SCHEMAS["Upload"]["discriminator"]["mapping"].keys()
    assert all(example["value"]["method"] == name for name, example in examples.items())


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_examples_of_fields_are_by_their_schemas(name: str) -> None:
    """Those of a schema's own, too."""
    for schema in (SCHEMAS[name], *SCHEMAS[name].get("properties", {}).values()):
        for example in schema.get("examples", []):
            assert not faults(schema, example), schema


@each_operation
def test_the_examples_of_requests_are_by_their_schemas(operation: Operation) -> None:
    """Parameters and bodies."""
    schemas = [parameter["schema"] for parameter in operation.definition.get("parameters", [])]
    bodies = operation.definition.get("requestBody", {}).get("content", {}).values()
    for schema in (*schemas, *(media["schema"] for media in bodies)):
        assert schema["examples"]
        for example in schema["examples"]:
            assert not faults(schema, example), schema
