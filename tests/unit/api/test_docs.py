"""The pages at `/docs` and `/` load nothing from other sites, and run no injected script."""

import json
import re
from collections.abc import AsyncIterator
from hashlib import sha256
from html.parser import HTMLParser

import httpx
import pytest
from tests.support.api import assert_problem, s3_that_is_down
from tests.support.servers import ROOT
from tests.support.service import service_client, settings_for

S3 = s3_that_is_down()


class Page(HTMLParser):
    """Collects what a page loads, and the scripts and styles in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        given = dict(attrs)
        if tag in {"script", "link"}:
            self.loads.append(given.get("src") or given.get("href") or f"inline {tag}")
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self.inline += [tag] if tag == "style" else []


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app, without a credential."""
    async with service_client(settings_for(S3), user=None) as client:
        yield client


@pytest.mark.parametrize(("path", "count"), [("/docs", 4), ("/", 2)])
async def test_the_page_loads_files_of_this_service_only(
    api: httpx.AsyncClient, path: str, count: int
) -> None:
    """By relative addresses, right behind any prefix, which name the files' hashes."""
    page = Page((await api.get(path)).text)
    assert page.inline == []
    files = [address for address in page.loads if address != "data:,"]
    assert len(files) == count
    for address in files:
        assert re.fullmatch(r"docs/[a-z.-]+\?v=[0-9a-f]{16}", address)
        answer = await api.get(f"/{address}")
        assert answer.status_code == 200
        assert sha256(answer.content).hexdigest().startswith(address.rpartition("=")[2])
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].split(";")[0] in {"text/javascript", "text/css"}
        known = {"If-None-Match": answer.headers["etag"]}
        assert (await api.get(f"/{address.partition('?')[0]}", headers=known)).status_code == 304


@pytest.mark.parametrize("path", ["/docs", "/"])
async def test_the_page_runs_no_inline_script_and_cannot_be_framed(api: httpx.AsyncClient, path: str) -> None:
    """Callers may be signed in by cookie, so a script here could act for them."""
    answer = await api.get(path)
    assert answer.headers["content-type"].startswith("text/html")
    rules = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))
    assert rules == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "object-src": "'none'",
    }


@pytest.mark.parametrize(
    "path", ["/docs/oauth2-redirect", "/redoc", "/docs/index.html", "/docs/", "/docs/x.js"]
)
async def test_there_is_no_other_page(api: httpx.AsyncClient, path: str) -> None:
    assert_problem(await api.get(path), "not_found")


async def test_the_documentation_can_be_off() -> None:
    """The document too; the API stays."""
    async with service_client(settings_for(S3, docs=False)) as client:
        for path in ("/", "/docs", "/openapi.json", "/docs/swagger-ui-bundle.js", "/docs/docs.js"):
            assert_problem(await client.get(path), "not_found")
        assert (await client.get("/v1/policies")).status_code == 200


async def test_the_documents_server_is_the_public_url() -> None:
    """Where the settings have one; otherwise the path that a proxy has stripped."""
    committed = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
    public_url = "https://example.com/files"
    async with service_client(settings_for(S3, public_url=public_url)) as client:
        document = (await client.get("/openapi.json")).json()
    assert document == {**committed, "servers": [{"url": public_url}]}
