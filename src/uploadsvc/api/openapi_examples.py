"""Whole examples of answers, put together from those of their fields."""

from collections.abc import Mapping
from typing import Any

_COMPONENTS = "#/components/schemas/"


def add_answer_examples(document: dict[str, Any]) -> None:
    """Give every successful answer of a document a whole example; a union one for each of its variants."""
    schemas = document["components"]["schemas"]
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                media = response.get("content", {}).get("application/json")
                if media is not None and status.startswith("2"):
                    media.update(_examples(media["schema"], schemas))


def _examples(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    variants = _resolved(schema, schemas).get("discriminator", {}).get("mapping")
    if variants is None:
        return {"example": _example(schema, schemas)}
    return {
        "examples": {
            name: {"value": _example({"$ref": reference}, schemas)} for name, reference in variants.items()
        }
    }


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (
        schemas[schema["$ref"].removeprefix(_COMPONENTS)] if "$ref" in schema else schema
    )
    return found


def _example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:  # noqa: ANN401, PLR0911 - any JSON, of any kind
    schema = _resolved(schema, schemas)
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for union in ("oneOf", "anyOf"):
        # What may be null comes first; null stands last.
        if union in schema:
            return _example(schema[union][0], schemas)
    if "properties" in schema:
        return {name: _example(field, schemas) for name, field in schema["properties"].items()}
    if "items" in schema:
        item = _resolved(schema["items"], schemas)
        variants = [item] if "discriminator" in item else item.get("oneOf", [item])
        return [_example(one, schemas) for one in variants]
    if schema["type"] == "boolean":
        return False
    message = f"a field of an answer has no example: {schema}"
    raise ValueError(message)
