"""OpenAPI document: FastAPI's own, plus security schemes, problems and response examples."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.routing import Route

from uploadsvc.api.problems import MEDIA_TYPE, UploadsvcProblem
from uploadsvc.api.samples import code_samples
from uploadsvc.api.v1.event_schemas import event_webhooks

_SCHEMAS: Final = "#/components/schemas/"
_DESCRIPTION: Final = (
    "Issues presigned S3 uploads under per-user key prefixes: all objects of user `alice` have keys that "
    "begin "
    "with `uploads/alice/`, and nobody else can reach them. Browsers and services send the bytes "
    "straight to S3. "
    "Every error is a problem (RFC 9457) with a stable `code`, and a `type` that leads to its cause and fix."
)
_TAGS: Final = [
    {"name": "uploads", "description": "Create an upload, send the bytes to S3, complete it."},
    {"name": "policies", "description": "The limits of your uploads."},
    {"name": "tokens", "description": "Issue short-lived tokens that can only be used for uploads."},
    {
        "name": "objects",
        "description": "List, inspect, download and delete the objects under your key prefix.",
    },
    {"name": "receipts", "description": "Public keys that verify receipts. No credential needed."},
    {"name": "uppy", "description": "Signed requests and temporary credentials for Uppy 6."},
    {"name": "simple", "description": "Get a presigned URL with a single GET."},
    {"name": "events", "description": "Webhooks that your backend receives, if the operator sets them up."},
    {"name": "health", "description": "Liveness and readiness, for orchestrators. No credential needed."},
]
_SCHEMES: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A JWT from your identity provider, or an upload token.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The API key of a service. `X-On-Behalf-Of` names the user.",
    },
    "onBehalfOf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-On-Behalf-Of",
        "description": "The user that a service acts for, as percent-encoded UTF-8. Sent with `X-API-Key`.",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "session",
        "description": "A JWT from your identity provider, if the operator accepts it in a cookie. The "
        "operator chooses the name of the cookie. Requests that write must come from the same origin or an "
        "allowed one.",
    },
}
_PUBLIC: Final = frozenset({"/healthz", "/readyz", "/.well-known/jwks.json"})


def set_document(app: FastAPI, *, public_url: str | None) -> None:
    """Serve the document of `build_document` at the app's ``openapi_url``, if it has one.

    Args:
        app: The app.
        public_url: The document's server; ``None`` for the path of the mount or the prefix that a proxy
            strips.
    """
    app.openapi = lambda: build_document(app)  # type: ignore[method-assign] # FastAPI's documented way
    if app.openapi_url is None:
        return

    async def serve(request: Request) -> Response:
        path = request.scope.get("root_path", "").rstrip("/")
        # In a thread, because the first call builds it, which takes 0.1 s.
        document = await run_in_threadpool(app.openapi)
        return JSONResponse({**document, "servers": [{"url": public_url or path or "/"}]})

    # Before FastAPI's own route, which would also list the root as a server.
    app.router.routes.insert(0, Route(app.openapi_url, serve, include_in_schema=False))


def build_document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document. It does not depend on the settings."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary="Presigned S3 uploads under per-user key prefixes",
            description=_DESCRIPTION,
            routes=app.routes,
            webhooks=event_webhooks().routes,
            tags=_TAGS,
            contact={"name": "The uploadsvc maintainers"},
            license_info={"name": "MIT", "identifier": "MIT"},
            servers=[{"url": "/"}],
        )
        _name_problem(document)
        _add_security(document)
        _add_response_examples(document)
        _describe_bodies(document)
        samples = code_samples()
        for operation in _operations(document):
            operation["x-codeSamples"] = samples[operation["operationId"]]
        app.openapi_schema = _simplified(document)
    return app.openapi_schema


def _name_problem(document: dict[str, Any]) -> None:
    """Rename the schema of problems to `Problem`, and drop FastAPI's own errors.

    The class has a longer name because apps that mount the routes may have their own `Problem`.
    """
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    del schemas[UploadsvcProblem.__name__]
    schemas["Problem"] = UploadsvcProblem.model_json_schema(ref_template=_SCHEMAS + "{model}")
    schemas.update(schemas["Problem"].pop("$defs"))
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    reference = {"$ref": f"{_SCHEMAS}Problem"}
    for name in ("BatchResult", "DeletionResult"):
        schemas[name]["properties"]["problem"]["$ref"] = reference["$ref"]
    for operation in _operations(document):
        for response in operation["responses"].values():
            if MEDIA_TYPE in response.get("content", {}):
                response["content"][MEDIA_TYPE]["schema"] = reference


def _add_security(document: dict[str, Any]) -> None:
    document["components"]["securitySchemes"] = _SCHEMES
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path in _PUBLIC:
                # Explicit, so that it does not look like an omission.
                operation["security"] = []
                continue
            if operation["operationId"] == "claimObject":
                # A receipt can name the user instead of the header.
                operation["security"] = [{"apiKey": [], "onBehalfOf": []}, {"apiKey": []}]
                continue
            if operation["operationId"] == "listAllObjects":
                operation["security"] = [{"apiKey": []}]
                continue
            operation["security"] = [{"bearer": []}, {"apiKey": [], "onBehalfOf": []}, {"cookie": []}]
            if operation["operationId"] == "createToken":
                # Its body can name the user instead of the header.
                operation["security"].append({"apiKey": []})
    for operations in document["webhooks"].values():
        # Its signature is the credential.
        operations["post"]["security"] = []


def _add_response_examples(document: dict[str, Any]) -> None:
    """Give every successful response an example, composed of its fields' examples."""
    schemas = document["components"]["schemas"]
    for operation in _operations(document):
        for status, response in operation["responses"].items():
            media = response.get("content", {}).get("application/json")
            if media is not None and status.startswith("2"):
                media.update(_examples(media["schema"], schemas))
    for operations in document["webhooks"].values():
        media = operations["post"]["requestBody"]["content"]["application/json"]
        media.update(_examples(media["schema"], schemas))


def _describe_bodies(document: dict[str, Any]) -> None:
    """Describe every request body by its type."""
    schemas = document["components"]["schemas"]
    webhooks = [operations["post"] for operations in document["webhooks"].values()]
    for operation in (*_operations(document), *webhooks):
        body = operation.get("requestBody")
        if body is not None:
            schema = body["content"]["application/json"]["schema"]
            body["description"] = _resolve(schema, schemas)["description"]


def _simplified(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """Simplify a part of the document to what client generators of many languages support.

    A constant is also an enum of one value. Bounds of integers are integers. Fields have no title, which
    would repeat the name. Unions have no discriminator: constants distinguish the variants, and Rust's
    generator removes the discriminator from the variants, which need it.
    """
    if isinstance(node, list):
        return [_simplified(one) for one in node]
    if isinstance(node, dict):
        simple = {name: _simplified(value) for name, value in node.items() if name != "discriminator"}
        for field in (*simple.get("properties", {}).values(), simple.get("schema", {})):
            field.pop("title", None)
        return {**simple, "enum": [node["const"]]} if "const" in node else simple
    return int(node) if isinstance(node, float) and node.is_integer() else node


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for operations in document["paths"].values():
        yield from operations.values()


def _examples(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    variants = _resolve(schema, schemas).get("discriminator", {}).get("mapping")
    if variants is None:
        return {"example": _example(schema, schemas)}
    return {
        "examples": {
            name: {"value": _example({"$ref": reference}, schemas)} for name, reference in variants.items()
        }
    }


def _resolve(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = schemas[schema["$ref"].removeprefix(_SCHEMAS)] if "$ref" in schema else schema
    return found


def _example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:  # noqa: ANN401, PLR0911 - any JSON, of any kind
    schema = _resolve(schema, schemas)
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for union in ("oneOf", "anyOf"):
        # The first variant, because null is always the last.
        if union in schema:
            return _example(schema[union][0], schemas)
    if "properties" in schema:
        return {name: _example(field, schemas) for name, field in schema["properties"].items()}
    if "items" in schema:
        item = _resolve(schema["items"], schemas)
        if item.get("maxProperties") == 1:
            return [{name: _example(field, schemas)} for name, field in item["properties"].items()]
        return [_example(item, schemas)]
    if schema["type"] == "boolean":
        return False
    message = f"a response field has no example: {schema}"
    raise ValueError(message)
