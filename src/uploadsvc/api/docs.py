"""API reference at ``/docs``, with Swagger UI from an installed package, and the page at ``/``."""

from typing import Final

from fastapi import APIRouter, Request, Response

from uploadsvc.api.static import READ, StaticFile, file_router, read_file, static_file

# Contains the files of swagger-ui-dist. Its own routes are not used: their page has an inline script.
_PACKAGE: Final = "fastapi_swagger.resources"
_SWAGGER_UI: Final = ("swagger-ui-bundle.js", "swagger-ui.css")

# Callers may be authenticated by cookie or proxy, so a third-party script could upload and delete in their
# name.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
)


def docs_router(*, start: bool) -> APIRouter:
    """Return the routes. All links in the pages are relative.

    Args:
        start: Also serve a page at ``/``.
    """
    served = {name: static_file(name, package=_PACKAGE) for name in _SWAGGER_UI}
    served |= {name: static_file(name) for name in ("docs.css", "docs.js", "start.css", "start.js")}
    pages = {"/docs": _page("docs.html", served)} | ({"/": _page("start.html", served)} if start else {})
    router = file_router("/docs", served)

    async def page(request: Request) -> Response:
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
        return pages[request.scope["route"].path].response(request, headers=headers)

    for path in pages:
        router.add_api_route(path, page, methods=READ)
    return router


def _page(name: str, served: dict[str, StaticFile]) -> StaticFile:
    """Return a page, with each file's hash in its address."""
    text = read_file(name).decode()
    for file_name, file in served.items():
        text = text.replace(f'"docs/{file_name}"', f'"docs/{file_name}?v={file.version}"')
    return static_file(name, text.encode())
