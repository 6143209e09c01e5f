"""The pages at ``/problems`` and ``/problems/{code}``: what the ``type`` of a problem leads to."""

import base64
import re
from hashlib import sha256
from html import escape
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response

from uploadsvc.api.problem_help import HELP, without_links
from uploadsvc.api.problems import ALL_TITLES, PROBLEMS_PATH
from uploadsvc.api.routing import problem_router
from uploadsvc.api.static import READ, read_file, static_file
from uploadsvc.domain.errors import NotFound

_CODE: Final = re.compile("`([^`]+)`")


def problem_pages_router() -> APIRouter:
    """Return the routes of the pages. They need no credential, and hold nothing of this service."""
    router = problem_router(tag="problems")
    style = read_file("start.css").decode()
    # In the page: the files below /docs are not served everywhere.
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )

    def answer(request: Request, title: str, content: str) -> Response:
        page = static_file("problem.html", _page(title, content, style).encode())
        return page.response(request, headers={"Content-Security-Policy": policy})

    async def overview(request: Request) -> Response:
        return answer(request, "Problems", _overview())

    async def page(request: Request, code: Annotated[str, Path()]) -> Response:
        if code not in HELP:
            detail = "There is no such problem."
            raise NotFound(detail)
        return answer(request, ALL_TITLES[code][1], _explained(code))

    for path, handler in ((PROBLEMS_PATH, overview), (f"{PROBLEMS_PATH}/{{code}}", page)):
        router.add_api_route(path, handler, methods=READ, include_in_schema=False)
    return router


def _page(title: str, content: str, style: str) -> str:
    return f"""\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="referrer" content="no-referrer">
  <meta name="robots" content="noindex">
  <meta name="color-scheme" content="light dark">
  <title>{escape(title)} · uploadsvc</title>
  <link rel="icon" href="data:,">
  <style>{style}</style>
</head>
<body>
  <main>
{content}
  </main>
</body>
</html>
"""


def _explained(code: str) -> str:
    status, title = ALL_TITLES[code]
    about = HELP[code]
    return f"""\
    <h1>{escape(title)}</h1>
    <p class="muted"><code>{escape(code)}</code>, HTTP status {status.value}</p>
    <p>{_html(about.meaning)}</p>
    <h2>Cause</h2>
    <p>{_html(about.cause)}</p>
    <h2>Fix</h2>
    <p>{_html(about.fix)}</p>
    <p class="muted"><a href="../{PROBLEMS_PATH.strip("/")}">All problems</a></p>"""


def _overview() -> str:
    here = PROBLEMS_PATH.strip("/")
    codes = sorted(ALL_TITLES, key=lambda code: ALL_TITLES[code][0].value)
    items = (
        f"""\
      <li><a href="{here}/{code}"><code>{code}</code></a>, {ALL_TITLES[code][0].value}:
        {_html(HELP[code].meaning)}</li>"""
        for code in codes
    )
    return "\n".join(
        (
            "    <h1>Problems</h1>",
            "    <p>Errors of this service, with their causes and fixes.</p>",
            "    <ul>",
            *items,
            "    </ul>",
        )
    )


def _html(text: str) -> str:
    """Return Markdown as HTML. Links lose their targets: pages that are not here."""
    return _CODE.sub(r"<code>\1</code>", escape(without_links(text), quote=False))
