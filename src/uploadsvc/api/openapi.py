"""The OpenAPI document: what FastAPI derives, and what it cannot know."""

import json
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.routing import Route

from uploadsvc.api.openapi_examples import add_answer_examples
from uploadsvc.api.problems import FieldError, UploadsvcProblem

_DESCRIPTION: Final = (
    "Issues presigned S3 uploads under per-user key prefixes, so that browsers and services send bytes "
    "straight to S3. Every error is a problem (RFC 9457) with a stable `code`."
)
_TAGS: Final = [
    {"name": "uploads", "description": "Create an upload, send the bytes to S3, complete it."},
    {"name": "policies", "description": "What you may upload."},
    {"name": "tokens", "description": "Hand on a part of your rights."},
    {"name": "objects", "description": "What lies under your own key prefix, and presigned GETs of it."},
    {"name": "receipts", "description": "What proves a completed upload; no credential."},
    {"name": "uppy", "description": "For the functions that an app gives to Uppy 6."},
    {"name": "simple", "description": "The smallest contract there is."},
    {"name": "health", "description": "For orchestrators; no credential."},
]
_SCHEMES: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A JWT of the identity provider, or an upload token.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "For services; `X-On-Behalf-Of` names the user (percent-encoded UTF-8).",
    },
    "onBehalfOf": {"type": "apiKey", "in": "header", "name": "X-On-Behalf-Of"},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "session",
        "description": "The identity provider's JWT, where the operator takes it from a cookie; its name is "
        "theirs to choose. What writes must come from the same origin or an allowed one.",
    },
}
_PUBLIC: Final = frozenset({"/healthz", "/readyz", "/.well-known/jwks.json"})


def set_document(app: FastAPI) -> None:
    """Let the app serve the document that `build_document` makes, with the path under which it is mounted."""
    app.openapi = lambda: build_document(app)  # type: ignore[method-assign] # FastAPI's documented way

    async def serve(request: Request) -> Response:
        path = request.scope.get("root_path", "").rstrip("/")
        return JSONResponse({**app.openapi(), "servers": [{"url": path or "/"}]})

    # Before FastAPI's own route, which would list the root beside the path.
    app.router.routes.insert(0, Route(str(app.openapi_url), serve, include_in_schema=False))


def build_document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document. It does not depend on the settings."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary="Presigned S3 uploads under per-user key prefixes",
            description=_DESCRIPTION,
            routes=app.routes,
            tags=_TAGS,
            license_info={"name": "MIT", "identifier": "MIT"},
            servers=[{"url": "/"}],
        )
        schemas = document["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for model in (UploadsvcProblem, FieldError):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schema.pop("$defs", None)
            schemas[model.__name__] = schema
        document = _named_by_title(document)
        document["components"]["securitySchemes"] = _SCHEMES
        for path, operations in document["paths"].items():
            if path not in _PUBLIC:
                for operation in operations.values():
                    operation["security"] = [{"bearer": []}, {"apiKey": [], "onBehalfOf": []}, {"cookie": []}]
                    if operation["operationId"] == "createToken":
                        # There the body can name the user.
                        operation["security"].append({"apiKey": []})
        add_answer_examples(document)
        app.openapi_schema = document
    return app.openapi_schema


def _named_by_title(document: dict[str, Any]) -> dict[str, Any]:
    """Name `ObjectModel` after its title, `StoredObject`: generators go by the name or by the title."""
    schemas = document["components"]["schemas"]
    titles = {name: schema.get("title", name) for name, schema in schemas.items()}
    document["components"]["schemas"] = dict(sorted((titles[name], schemas[name]) for name in schemas))
    text = json.dumps(document)
    for name, title in titles.items():
        text = text.replace(f'"#/components/schemas/{name}"', f'"#/components/schemas/{title}"')
    named: dict[str, Any] = json.loads(text)
    return named
