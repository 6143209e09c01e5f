"""The `type` of a problem leads to a page with its cause and fix, wherever the service is mounted."""

import base64
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from fastapi import FastAPI
from tests.support.api import assert_problem, s3_that_is_down
from tests.support.service import BASE_URL, authorization, service_client, settings_for

from uploadsvc.api.problem_help import HELP
from uploadsvc.api.problems import ALL_TITLES
from uploadsvc.app import create_app, create_router
from uploadsvc.domain.principal import Principal
from uploadsvc.server import refusals
from uploadsvc.settings import Settings

S3 = s3_that_is_down()


class Text(HTMLParser):
    """The visible text of a page, and what it loads or leads to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self._in_style = False
        self.feed(page)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self._in_style = tag == "style"
        self.links += [value for name, value in attrs if name in {"href", "src"} and value is not None]

    def handle_endtag(self, tag: str) -> None:
        """Note the end of an element."""
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        """Note text."""
        if not self._in_style:
            self.words.append(data)


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app without documentation to a caller without a credential."""
    async with service_client(settings_for(S3, docs=False), user=None) as client:
        yield client


@pytest.mark.parametrize("code", ALL_TITLES)
async def test_every_code_has_a_page(api: httpx.AsyncClient, code: str) -> None:
    """It needs neither a credential nor the documentation."""
    answer = await api.get(f"/problems/{code}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    status, title = ALL_TITLES[code]
    page = Text(answer.text)
    for text in (code, title, str(status.value), "Cause", "Fix"):
        assert text in page.text
    # Without Markdown, whose links lead to pages that are not here.
    assert not re.search(r"`|\]\(|\.md", page.text)
    (link,) = [one for one in page.links if one != "data:,"]
    overview = await api.get(urljoin(str(answer.url), link))
    assert urljoin(str(overview.url), f"problems/{code}") == str(answer.url)
    assert f"problems/{code}" in Text(overview.text).links


async def test_the_pages_run_nothing_and_load_nothing(api: httpx.AsyncClient) -> None:
    """The one style is in the page, and named by its hash."""
    for path in ("/problems", "/problems/forbidden"):
        answer = await api.get(path)
        (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
        digest = base64.b64encode(sha256(style.encode()).digest()).decode()
        rules = answer.headers["content-security-policy"].split("; ")
        assert rules == [
            "default-src 'none'",
            f"style-src 'sha256-{digest}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
        assert not re.search(r"<script|\son\w+=|\sstyle=", answer.text)
        known = {"If-None-Match": answer.headers["etag"]}
        assert (await api.get(path, headers=known)).status_code == 304
        assert (await api.head(path)).headers["content-length"]


@pytest.mark.parametrize("code", ["nothing", "<script>", "..", "FORBIDDEN"])
async def test_unknown_codes_are_problems(api: httpx.AsyncClient, code: str) -> None:
    assert_problem(await api.get(f"/problems/{code.replace('.', '%2E')}"), "not_found")


def test_every_answer_of_the_server_has_a_page() -> None:
    """Also where it answers by itself."""
    own = {one.code for one in vars(refusals).values() if isinstance(one, refusals.Refusal)}
    assert own | {refusals.slow("head", 1).code} <= HELP.keys()
    assert b'"type": "/a%20b/problems/bad_request"' in refusals.MALFORMED.fields_and_body("/a b")


async def problems_of(client: httpx.AsyncClient, prefix: str) -> AsyncIterator[dict[str, Any]]:
    """Yield problems from everything that answers with them."""
    signed_in = authorization("ann")
    yield (await client.post(f"{prefix}/v1/uploads", json={"policy": "x"}, headers=signed_in)).json()
    yield (await client.post(f"{prefix}/v1/uploads", json={"size": -1}, headers=signed_in)).json()
    yield (await client.get(f"{prefix}/v1/object?key=../x", headers=signed_in)).json()
    yield (await client.get(f"{prefix}/v1/uploads/abc", headers=signed_in)).json()
    yield (await client.post(f"{prefix}/uppy/sign", json={}, headers=signed_in)).json()
    yield (await client.get(f"{prefix}/problems/x")).json()
    batch = {"uploads": [{"policy": "x"}]}
    answer = await client.post(f"{prefix}/v1/uploads/batch", json=batch, headers=signed_in)
    yield answer.json()["results"][0]["problem"]


@asynccontextmanager
async def serving(app: FastAPI, root_path: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app as a server does behind a proxy that has stripped a path."""

    async def stripped(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - of ASGI
        # As uvicorn does: https://asgi.readthedocs.io/en/latest/specs/www.html
        await app({**scope, "root_path": root_path, "path": root_path + scope["path"]}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(stripped), base_url=BASE_URL) as client:
        yield client


def whole() -> FastAPI:
    """Return the whole service."""
    return create_app(Settings.model_validate(settings_for(S3)))


def mounted() -> FastAPI:
    """Return an app with the whole service under a path."""
    app = FastAPI()
    app.mount("/my files", whole())
    return app


def included() -> FastAPI:
    """Return an app that includes the routes, in a router of its own, under a path."""
    settings = Settings.model_validate(settings_for(S3, auth={"jwt": {}}))
    outer, app = FastAPI().router, FastAPI()
    outer.include_router(create_router(settings, authenticate=lambda: Principal(user="ann")), prefix="/files")
    app.include_router(outer, prefix="/my")
    return app


def cases() -> Iterator[Any]:
    """Yield apps, what a proxy strips, their prefix, and where the pages must be."""
    yield pytest.param(whole, "", "", "", id="alone")
    yield pytest.param(whole, "/up", "", "/up", id="behind a proxy")
    yield pytest.param(mounted, "", "/my files", "/my%20files", id="mounted")
    yield pytest.param(mounted, "/up", "/my files", "/up/my%20files", id="mounted behind a proxy")
    yield pytest.param(included, "", "/my/files", "/my/files", id="included")
    yield pytest.param(included, "/up", "/my/files", "/up/my/files", id="included behind a proxy")


@pytest.mark.parametrize(("make", "root_path", "prefix", "root"), [*cases()])
async def test_the_type_names_the_page_wherever_the_service_is(
    make: Any,  # noqa: ANN401 - a function
    root_path: str,
    prefix: str,
    root: str,
) -> None:
    async with serving(make(), root_path) as client:
        count = 0
        async for problem in problems_of(client, prefix):
            assert problem["type"] == f"{root}/problems/{problem['code']}"
            inner = problem["type"].removeprefix(root_path)
            assert (await client.get(inner)).status_code == 200
            count += 1
        assert count == 7
        if make is not included:
            # What no route answers.
            assert (await client.get(f"{prefix}/nowhere")).json()["type"] == f"{root}/problems/not_found"
