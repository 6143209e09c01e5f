"""Requirements of client generators on the document."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.contract.document import DOCUMENT, OPERATIONS, Operation

SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
EXACT = 2**53
PUBLIC = {"getHealth", "getReadiness", "getReceiptKeys"}
each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def within(node: object, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object of a part of the document with its place; follow references, skip examples."""
    if isinstance(node, list):
        for index, one in enumerate(node):
            name = one.get("name", index) if isinstance(one, dict) else index
            yield from within(one, f"{where}/{name}")
    elif isinstance(node, dict):
        yield where, node
        if "$ref" in node:
            name = node["$ref"].removeprefix("#/components/schemas/")
            yield from within(SCHEMAS[name], name)
        for name, value in node.items():
            if name not in {"examples", "example"}:
                yield from within(value, f"{where}/{name}")


INTEGERS = [(where, one) for where, one in within(DOCUMENT) if one.get("type") == "integer"]
SIZE = re.compile(r"(?:/(?:\w+_)?size(?:/schema|/anyOf/0)?|ExceededQuota/properties/(?:limit|left))$")


def test_every_integer_says_how_large_it_gets() -> None:
    """Without a format, Java, Kotlin, Go, Rust and C# take 32 bits, which is too few for a size."""
    formats = {where: integer.get("format") for where, integer in INTEGERS}
    assert len(formats) > 20
    assert formats == {where: "int64" if SIZE.search(where) else "int32" for where in formats}


def test_bounds_of_integers_are_exact_in_a_double() -> None:
    bounds = [(where, one[name]) for where, one in INTEGERS for name in ("minimum", "maximum") if name in one]
    assert bounds
    assert [bound for bound in bounds if not (isinstance(bound[1], int) and abs(bound[1]) <= EXACT)] == []


def test_a_constant_is_an_enum_of_one() -> None:
    """Many generators know only `enum`."""
    constants = [(where, one["const"], one.get("enum")) for where, one in within(DOCUMENT) if "const" in one]
    assert constants
    assert [one for one in constants if one[2] != [one[1]]] == []


def test_named_enums_share_no_value() -> None:
    """Go's constants are called after the value alone, so two of them would not compile."""
    values = Counter(value for schema in SCHEMAS.values() for value in schema.get("enum", ()))
    assert values
    assert [value for value, count in values.items() if count > 1] == []


def test_variants_of_unions_differ_by_constants() -> None:
    """Java and Rust try one variant after another.

    With a discriminator, Rust's generator would take its field out of the variants, and then miss it.
    """
    unions = {name: schema for name, schema in SCHEMAS.items() if "oneOf" in schema}
    assert unions.keys() == {"Upload", "ReceiptKey"}
    for union in unions.values():
        assert "discriminator" not in union
        variants = [SCHEMAS[one["$ref"].rpartition("/")[2]] for one in union["oneOf"]]
        constants = [
            {name: field["const"] for name, field in variant["properties"].items() if "const" in field}
            for variant in variants
        ]
        shared = set.intersection(
            *(set(variant["required"]) & of.keys() for variant, of in zip(variants, constants, strict=True))
        )
        assert any(len({of[name] for of in constants}) == len(variants) for name in shared), union


@each_operation
def test_requests_have_no_null(operation: Operation) -> None:
    """Optional fields are not required. If they were nullable too, Rust would nest options."""
    parts = [operation.definition.get(part, {}) for part in ("parameters", "requestBody")]
    assert [where for where, schema in within(parts) if schema.get("type") == "null"] == []


async def test_the_service_accepts_null_for_an_omitted_field(plain: httpx.AsyncClient) -> None:
    """The document does not say so, but clients that older versions of it made send null."""
    for name in ("CreateUpload", "CreateToken"):
        path = "/v1/uploads" if name == "CreateUpload" else "/v1/tokens"
        answer = await plain.post(path, json=dict.fromkeys(SCHEMAS[name]["properties"]))
        assert answer.status_code == 201, answer.text


@each_operation
def test_every_operation_declares_its_credentials(operation: Operation) -> None:
    """Also that it needs none."""
    assert (operation.definition["security"] == []) is (operation.id in PUBLIC)


def test_there_is_a_contact() -> None:
    assert DOCUMENT["info"]["contact"]["name"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_is_described(name: str) -> None:
    fields = SCHEMAS[name].get("properties", {})
    assert [
        field for field, schema in fields.items() if not schema.get("description", "").endswith(".")
    ] == []
    assert [field for field, schema in fields.items() if "title" in schema] == []


@each_operation
def test_every_parameter_is_described(operation: Operation) -> None:
    for parameter in operation.definition.get("parameters", []):
        assert parameter["description"].endswith("."), parameter["name"]
        assert "title" not in parameter["schema"]
