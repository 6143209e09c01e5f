"""The API's documentation at ``/docs``: Swagger UI from an installed package, nothing from elsewhere."""

from typing import Final

from fastapi import APIRouter, Request, Response

from uploadsvc.api.static import READ, StaticFile, file_router, read_file, static_file

# Holds the files of swagger-ui-dist. Its own routes are not used: their page has an inline script.
_PACKAGE: Final = "fastapi_swagger.resources"
_SWAGGER_UI: Final = ("swagger-ui-bundle.js", "swagger-ui.css")

# Callers may be signed in by cookie or proxy, so a foreign script here could upload and delete in their name.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
)


def docs_router() -> APIRouter:
    """Return the routes of the documentation. All addresses in the page are relative to it."""
    served = {name: static_file(name, package=_PACKAGE) for name in _SWAGGER_UI}
    served["docs.js"] = static_file("docs.js")
    page = _page(served)
    router = file_router("/docs", served)

    @router.api_route("/docs", methods=READ)
    async def docs(request: Request) -> Response:
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
        return page.response(request, headers=headers)

    return router


def _page(served: dict[str, StaticFile]) -> StaticFile:
    """Return the page, with each file's hash in its address."""
    text = read_file("docs.html").decode()
    for name, file in served.items():
        text = text.replace(f'"docs/{name}"', f'"docs/{name}?v={file.version}"')
    return static_file("docs.html", text.encode())
