"""The OpenAPI document: up to date, valid, and fit for client generators."""

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.support.api import AUTH, s3_that_is_down
from tests.support.servers import ROOT
from tests.support.service import service_client, settings_for
from typer.testing import CliRunner

from uploadsvc.api.openapi import build_document
from uploadsvc.api.problems import STATUS_TITLES
from uploadsvc.app import create_app
from uploadsvc.cli.commands import app as commands
from uploadsvc.settings import Settings

COMMITTED = (ROOT / "openapi.json").read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = json.loads(COMMITTED)
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
STATUSES = {str(status) for status, _ in STATUS_TITLES.values()}
OPERATIONS = [
    pytest.param(method, path, operation, id=f"{method} {path}")
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
each_operation = pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)


def printed() -> str:
    result = CliRunner().invoke(commands, ["openapi"], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema itself, or the one that it references."""
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = SCHEMAS[schema["$ref"].removeprefix("#/components/schemas/")]
    return found


def objects_in(schema: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON
    """Yield every object within a part of the document, with references followed."""
    if isinstance(schema, dict):
        yield schema
        schema = [resolved(schema)] if "$ref" in schema else list(schema.values())
    if isinstance(schema, list):
        for one in schema:
            yield from objects_in(one)


def test_the_committed_document_is_up_to_date() -> None:
    assert printed() == COMMITTED, "openapi.json is out of date: make openapi"


async def test_the_document_is_built_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes 0.1 s, at the first request."""
    threads = []

    def recorded(app: FastAPI) -> dict[str, Any]:
        threads.append(threading.get_ident())
        return build_document(app)

    monkeypatch.setattr("uploadsvc.api.openapi.build_document", recorded)
    async with service_client(settings_for(s3_that_is_down())) as client:
        assert (await client.get("/openapi.json")).json()["paths"] == DOCUMENT["paths"]
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


def test_the_document_is_valid() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert not [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()]


def test_the_document_does_not_depend_on_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for(
        s3_that_is_down(),
        policies={"small": {"max_size": 10, "client_keys": True}},
        objects={"delete": True},
        cors={"allow_origins": ["https://app.example.com"]},
        key_prefix="elsewhere",
    )
    for demo in (True, False):
        auth = {} if demo else AUTH
        app = create_app(Settings.model_validate({**settings, "demo": demo, "auth": auth}))
        assert app.openapi() == DOCUMENT
    monkeypatch.setenv("UPLOADSVC_S3__BUCKET", "another")
    monkeypatch.setenv("UPLOADSVC_NO_SUCH_SETTING", "x")
    assert printed() == COMMITTED


def test_operation_ids_are_unique_and_in_camel_case() -> None:
    """Generators turn them into method names."""
    paths = DOCUMENT["paths"].values()
    names = [operation["operationId"] for methods in paths for operation in methods.values()]
    assert all(re.fullmatch(r"[a-z]+(?:[A-Z][a-z]+)+", name) for name in names), names
    assert len(set(names)) == len(names)


@each_operation
def test_every_operation_is_described(method: str, path: str, operation: dict[str, Any]) -> None:
    """It has one known tag, a summary, a description and described responses."""
    # One: for two, OpenAPI Generator makes two classes of one name.
    (tag,) = operation["tags"]
    assert tag in {tag["name"] for tag in DOCUMENT["tags"]}
    assert operation["summary"]
    assert operation["description"]
    for status, response in operation["responses"].items():
        assert response["description"] not in {"", "Successful Response"}, (method, path, status)


@each_operation
def test_requests_have_examples_and_no_defaults(method: str, path: str, operation: dict[str, Any]) -> None:
    """Generators treat a field with a default as required."""
    parameters = operation.get("parameters", [])
    bodies = [media["schema"] for media in operation.get("requestBody", {}).get("content", {}).values()]
    for schema in [*bodies, *(parameter["schema"] for parameter in parameters)]:
        assert not [part for part in objects_in(schema) if "default" in part], (method, path)
    for body in bodies:
        assert body.get("examples")


@each_operation
def test_every_error_is_a_problem_with_examples(method: str, path: str, operation: dict[str, Any]) -> None:
    errors = {status: r for status, r in operation["responses"].items() if not status.startswith("2")}
    assert errors.keys() <= STATUSES, (method, path)
    assert "500" in errors
    for status, response in errors.items():
        assert response["content"].keys() == {"application/problem+json"}
        media = response["content"]["application/problem+json"]
        assert media["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert media["examples"]
        for code, example in media["examples"].items():
            assert STATUS_TITLES[code] == (int(status), example["value"]["title"])
            assert example["summary"] == example["value"]["title"]
            assert re.fullmatch(r"\*\*Cause\.\*\* .+\n\n\*\*Fix\.\*\* .+", example["description"])
            # Links of the documentation lead nowhere from here.
            assert "](" not in example["description"]
            assert f"`{code}`: " in response["description"]
            assert example["value"]["code"] == code
            members = set() if code == "quota_exceeded" else {"quota"}
            assert example["value"].keys() == SCHEMAS["Problem"]["properties"].keys() - members


@each_operation
def test_only_health_and_keys_need_no_credential(method: str, path: str, operation: dict[str, Any]) -> None:
    """Every other operation documents its credentials and the 401."""
    public = path in {"/healthz", "/readyz", "/.well-known/jwks.json"}
    assert (not operation["security"]) is public, method
    assert ("401" not in operation["responses"]) is public, method


def named(schema: dict[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the fields of a schema, and of those in it, each by where it is."""
    for name, field in schema.get("properties", {}).items():
        yield f"{where}.{name}", field
        yield from named(field, f"{where}.{name}")
    for part in ("items", "additionalProperties"):
        if isinstance(schema.get(part), dict):
            yield from named(schema[part], f"{where}[]")


def described() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield everything that a reader may ask about, each by where it is."""
    for name, schema in SCHEMAS.items():
        yield name, schema
        yield from named(schema, name)
    webhooks = [(name, item["post"]) for name, item in DOCUMENT["webhooks"].items()]
    operations = [
        (f"{method} {path}", one) for path, item in DOCUMENT["paths"].items() for method, one in item.items()
    ]
    for where, operation in (*operations, *webhooks):
        yield where, operation
        for parameter in operation.get("parameters", ()):
            yield f"{where} {parameter['name']}", parameter
        if "requestBody" in operation:
            yield f"{where} body", operation["requestBody"]
        for status, response in operation["responses"].items():
            yield f"{where} {status}", response
            for name, header in response.get("headers", {}).items():
                yield f"{where} {status} {name}", header
    for name, scheme in DOCUMENT["components"]["securitySchemes"].items():
        yield name, scheme


def test_everything_is_described() -> None:
    """By sentences, and fields that a stranger cannot guess by more than their names."""
    everything = dict(described())
    assert len(everything) > 400
    assert [where for where, one in everything.items() if not one.get("description")] == []
    assert [
        where for where, one in everything.items() if not re.search(r"[.:]$|\.\n", one["description"].strip())
    ] == []
    # In other characters, Java's compiler may not read the comments that generators make of them.
    assert [where for where, one in everything.items() if not one["description"].isascii()] == []
    for name in ("filename", "size", "relative_key", "metadata", "checksum", "overwrite", "policy", "method"):
        assert len(everything[f"CreateUpload.{name}"]["description"].split()) > 15, name


@each_operation
def test_every_operation_has_a_sample_in_each_language(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    """It calls that operation."""
    samples = operation["x-codeSamples"]
    assert [sample["label"] for sample in samples] == ["curl", "Python", "TypeScript"]
    start = path.partition("{")[0]
    (curl, *_) = samples
    assert f"https://uploads.example.com{start}" in curl["source"]
    posts = method == "post"
    assert (method == "delete") is ("-X DELETE" in curl["source"])
    assert posts is ("--json" in curl["source"] or "-X POST" in curl["source"])


def test_an_upload_is_a_named_union() -> None:
    """Told apart by `method`."""
    created = DOCUMENT["paths"]["/v1/uploads"]["post"]["responses"]["201"]["content"]
    assert created["application/json"]["schema"] == {"$ref": "#/components/schemas/Upload"}
    upload = SCHEMAS["Upload"]
    variants = {
        method: f"#/components/schemas/{method.capitalize()}Upload" for method in ("put", "post", "multipart")
    }
    assert [one["$ref"] for one in upload["oneOf"]] == list(variants.values())
    for method, reference in variants.items():
        variant = resolved({"$ref": reference})
        assert variant["properties"]["method"]["const"] == method
        assert set(variant["required"]) == variant["properties"].keys()


def test_a_batch_result_is_an_upload_or_a_problem() -> None:
    """An object with one of two fields, which every generator can make."""
    results = SCHEMAS["BatchResults"]["properties"]["results"]
    assert results["items"] == {"$ref": "#/components/schemas/BatchResult"}
    result = SCHEMAS["BatchResult"]
    assert {name: field["$ref"].rpartition("/")[2] for name, field in result["properties"].items()} == {
        "upload": "Upload",
        "problem": "Problem",
    }
    assert (result["minProperties"], result["maxProperties"]) == (1, 1)
    assert "required" not in result
    media = DOCUMENT["paths"]["/v1/uploads/batch"]["post"]["responses"]["200"]["content"]["application/json"]
    assert [one.keys() for one in media["example"]["results"]] == [{"upload"}, {"problem"}]


def test_fastapis_own_errors_are_left_out() -> None:
    assert "HTTPValidationError" not in COMMITTED
    assert SCHEMAS.keys().isdisjoint({"ValidationError"})
