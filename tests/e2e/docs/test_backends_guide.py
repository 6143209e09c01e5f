"""The backends of `docs/backends.md` and `docs/rejecting.md` work against a running service."""

import asyncio
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.async_api import BrowserContext, Route
from tests.support.buckets import set_up
from tests.support.django_app import django_app
from tests.support.pages import examples, text_of
from tests.support.servers import S3Server, free_port
from tests.support.service import settings_for
from tests.support.stories.serving import served
from tests.support.webhooks import SECRET, delivery
from werkzeug.serving import make_server

from uploadsvc.app import create_app, load_settings
from uploadsvc.events.samples import sample_event
from uploadsvc.settings import Settings

GUIDE: Final = text_of("docs/backends.md")
UPLOADS, APP, FLASK, DJANGO = examples(GUIDE, "python")
GO_TRIAL, GO = examples(GUIDE, "go")
OF_BACKEND, OF_SERVICE, APPLY, ON_THIS_MACHINE, *_ = examples(GUIDE, "sh")
(PAGE,) = examples(GUIDE, "html")
(REJECT,) = examples(text_of("docs/rejecting.md"), "python")
API_KEY: Final = "the tests' own key of a backend"


@dataclass(frozen=True, slots=True)
class Service:
    """A running service.

    Attributes:
        url: Its address.
    """

    url: str

    async def upload(self, token: str) -> dict[str, Any]:
        """Upload five bytes with a token, and return what `complete` answers."""
        caller = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(trust_env=False) as http:
            created = (await http.post(f"{self.url}/v1/uploads", json={"size": 5}, headers=caller)).json()
            sent = await http.put(created["url"], headers=created["headers"], content=b"bytes")
            assert sent.status_code == 200
            completed = await http.post(f"{self.url}/v1/uploads/{created['id']}/complete", headers=caller)
        answer: dict[str, Any] = completed.json()
        return answer


@pytest.fixture
async def service(seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """Serve as the page says: an API key, receipts by Ed25519; and tell backends where."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    s3 = replace(seaweedfs, bucket=await seaweedfs.create_bucket())
    settings = settings_for(
        s3,
        auth={"api_keys": [{"name": "backend", "sha256": hashlib.sha256(API_KEY.encode()).hexdigest()}]},
        objects={"delete": True},
        cors={"allow_origins": ["*"]},
    )
    settings["receipts"] = {"private_key": pem.decode()}
    await set_up(s3, settings)
    async with served(create_app(Settings.model_validate(settings))) as url:
        for name, value in {
            "UPLOADSVC_URL": url,
            "UPLOADSVC_API_KEY": API_KEY,
            "WEBHOOK_SECRET": SECRET,
            "NO_PROXY": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        yield Service(url)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - another process makes it so
            await asyncio.sleep(0.02)


def listens(port: int) -> bool:
    """Tell whether a program listens on a port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


@asynccontextmanager
async def caller(backend: str) -> AsyncIterator[httpx.AsyncClient]:
    """Be ann's browser, which has opened the page and has Django's CSRF token."""
    async with httpx.AsyncClient(trust_env=False, headers={"X-User": "ann"}, base_url=backend) as http:
        page = await http.get("/")
        assert page.text == PAGE
        assert page.headers["Content-Type"].startswith("text/html")
        http.headers["X-CSRFToken"] = http.cookies.get("csrftoken") or ""
        yield http


async def assert_works(backend: str, service: Service, saved: list[str]) -> None:
    """Be ann's page, and the service's webhook: each tells of an upload, and no one else can.

    Args:
        backend: Its address.
        service: The service that it asks.
        saved: What the backend has saved so far, each as a user and a key.
    """
    async with caller(backend) as http:
        token = (await http.post("/upload-token")).json()["token"]
        completed = await service.upload(token)
        key, body = completed["object"]["key"], {"receipt": completed["receipt"]}
        assert key.startswith("uploads/ann/")
        assert (await http.post("/uploaded", json=body, headers={"X-User": "bob"})).status_code == 403
        head, claims, signature = completed["receipt"].split(".")
        forged = f"{head}.{claims}.{signature[::-1]}"
        assert (await http.post("/uploaded", json={"receipt": forged})).status_code == 403
        assert (await http.post("/uploaded", json={"receipt": token})).status_code == 403
        assert (await http.post("/uploaded", json={"receipt": "x"})).status_code == 403
        for malformed in (b"", b"x", b"{}", b"[]", b"\xff"):
            assert (await http.post("/uploaded", content=malformed)).status_code == 400
        assert saved == []
        assert (await http.post("/uploaded", json=body)).status_code == 204
        other = "whsec_b3RoZXJzIGFyZSBub3QgdGhlIHNlcnZpY2UsIDMyIGI="
        assert await delivery(secrets=(other,)).send(f"{backend}/webhooks") == 401
        sample = sample_event("1", now=datetime.now(UTC)).body()
        assert await delivery(body=sample).send(f"{backend}/webhooks") == 204
        await until(lambda: saved == [f"ann {key}"])
        assert await delivery().send(f"{backend}/webhooks") == 204
        await until(lambda: saved == [f"ann {key}", "ann uploads/ann/a é.jpg"])


def load_app(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make the modules that the examples import, and give what is saved."""
    saved: list[str] = []
    module = ModuleType("app")
    exec(APP, module.__dict__)  # noqa: S102 - our own documentation
    assert (module.current_user(None), module.save("alice", "key")) == ("alice", None)
    module.__dict__.update(
        current_user=lambda request: request.headers["X-User"],
        save=lambda user, key: saved.append(f"{user} {key}"),
    )
    uploads = ModuleType("uploads")
    exec(UPLOADS, uploads.__dict__)  # noqa: S102 - our own documentation
    monkeypatch.setitem(sys.modules, "app", module)
    monkeypatch.setitem(sys.modules, "uploads", uploads)
    return saved


def run(example: str, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Run an example as a module."""
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(example, module.__dict__)  # noqa: S102 - our own documentation
    return module


@contextmanager
def wsgi_served(app: Any) -> Iterator[str]:  # noqa: ANN401 - an example's
    """Serve a WSGI app in threads, and give its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


Running = tuple[str, list[str]]
"""A backend's address, and what it has saved so far."""


@asynccontextmanager
async def flask(directory: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """As any WSGI server runs it: in threads."""
    monkeypatch.chdir(directory)
    saved = load_app(monkeypatch)
    with wsgi_served(run(FLASK, "flask_backend", monkeypatch).app) as url:
        yield url, saved


@asynccontextmanager
async def django(directory: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """With its middleware of CSRF, as in a new project."""
    monkeypatch.chdir(directory)
    saved = load_app(monkeypatch)
    module = run(DJANGO, "django_backend", monkeypatch)
    middleware = ["django.middleware.csrf.CsrfViewMiddleware"]
    async with served(django_app(module.__name__, monkeypatch, middleware=middleware)) as url:
        yield url, saved


@asynccontextmanager
async def go_program(directory: Path, environment: Mapping[str, str]) -> AsyncIterator[list[str]]:
    """Run the Go example, and give the lines that it prints."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed: apt-get install golang-go")
    (directory / "go.mod").write_text("module example.com/backend\n\ngo 1.19\n")
    (directory / "backend.go").write_text(GO)
    main = GO_TRIAL.replace('"alice"', 'r.Header.Get("X-User")').replace(":5000", f":{environment['PORT']}")
    assert main.count("X-User") == main.count(environment["PORT"]) == 1
    (directory / "main.go").write_text(main)
    builder = await asyncio.create_subprocess_exec(go, "build", "-o", "backend", cwd=directory)
    assert await builder.wait() == 0
    running = await asyncio.create_subprocess_exec(
        directory / "backend", cwd=directory, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert running.stdout is not None
    lines: list[str] = []

    async def read(stream: asyncio.StreamReader) -> None:
        async for line in stream:
            lines.append(line.decode().strip())  # noqa: PERF401 - others look while it grows

    reading = asyncio.create_task(read(running.stdout))
    try:
        yield lines
    finally:
        running.terminate()
        await running.wait()
        await reading


@asynccontextmanager
async def golang(directory: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """With the standard library alone."""
    port = free_port()
    monkeypatch.setenv("PORT", str(port))
    async with go_program(directory, dict(os.environ)) as lines:
        await until(lambda: listens(port))
        yield f"http://127.0.0.1:{port}", lines


Runner = Callable[[Path, pytest.MonkeyPatch], AbstractAsyncContextManager[Running]]
each_backend = pytest.mark.parametrize("runner", [flask, django, golang], ids=["flask", "django", "go"])


@each_backend
async def test_a_backend_works(
    runner: Runner, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a page and a service of its own."""
    (tmp_path / "page.html").write_text(PAGE)
    async with runner(tmp_path, monkeypatch) as (url, saved):
        await assert_works(url, service, saved)


@each_backend
async def test_a_backend_says_that_the_service_is_down(
    runner: Runner, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A good receipt is not refused as if it were forged."""
    (tmp_path / "page.html").write_text(PAGE)
    async with runner(tmp_path, monkeypatch) as (url, saved), caller(url) as http:
        token = (await http.post("/upload-token")).json()["token"]
        receipt = (await service.upload(token))["receipt"]
    monkeypatch.setenv("UPLOADSVC_URL", f"http://127.0.0.1:{free_port()}")
    async with runner(tmp_path, monkeypatch) as (url, saved), caller(url) as http:
        assert (await http.post("/upload-token")).status_code == 502
        assert (await http.post("/uploaded", json={"receipt": receipt})).status_code == 503
        assert (await http.post("/uploaded", content=b"x")).status_code == 400
    assert saved == []


@each_backend
async def test_the_page_uploads(
    runner: Runner,
    service: Service,
    context: BrowserContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two files with one token; and it says what has failed."""
    assert PAGE.count("https://uploads.example.com") == 2
    (tmp_path / "page.html").write_text(PAGE.replace("https://uploads.example.com", service.url))
    asked: list[str] = []
    async with runner(tmp_path, monkeypatch) as (url, saved), asyncio.timeout(60):

        async def as_ann(route: Route) -> None:
            asked.append(route.request.url.removeprefix(url))
            user = {"X-User": "ann" if len(saved) < 2 else "bob"}
            await route.continue_(headers={**route.request.headers, **user})

        page = await context.new_page()
        await page.route(f"{url}/*", as_ann)
        await page.goto(url)
        result = page.locator("#result")
        for number, name in enumerate(("a.txt", "b.txt"), start=1):
            await page.set_input_files("#file", {"name": name, "mimeType": "text/plain", "buffer": b"bytes"})
            await result.filter(has_text=name).wait_for()
            assert (await result.text_content() or "").startswith("Saved: uploads/ann/")
            await until(lambda number=number: len(saved) == number)  # type: ignore[misc]
        assert await page.evaluate("document.querySelector('#progress').value") == 1
        assert [one for one in asked if "up" in one] == ["/upload-token", "/uploaded", "/uploaded"]
        await page.set_input_files("#file", {"name": "c.txt", "mimeType": "text/plain", "buffer": b"bytes"})
        await result.filter(has_text="Failed: /uploaded: 403").wait_for()
    assert [one.rpartition("/")[2] for one in saved] == ["a.txt", "b.txt"]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, service: Service) -> list[str]:
    """Make the modules that the examples import, and give what is saved."""
    assert service.url
    return load_app(monkeypatch)


async def test_a_backend_rejects_a_file(service: Service, app: list[str]) -> None:
    """The file is gone for its user; another user's is not."""
    assert app == []
    names: dict[str, Any] = {}
    exec(REJECT, names)  # noqa: S102 - our own documentation
    token = await asyncio.to_thread(sys.modules["uploads"].upload_token, "é ann")
    key = (await service.upload(token))["object"]["key"]
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        await asyncio.to_thread(names["reject"], "bob", key)
    headers = {"X-API-Key": API_KEY, "X-On-Behalf-Of": "%C3%A9%20ann"}
    async with httpx.AsyncClient(trust_env=False, headers=headers, base_url=service.url) as http:
        assert (await http.get("/v1/object", params={"key": key})).status_code == 200
        await asyncio.to_thread(names["reject"], "é ann", key)
        assert (await http.get("/v1/object", params={"key": key})).status_code == 404


@pytest.mark.parametrize("local", ["", ON_THIS_MACHINE], ids=["a server", "this machine"])
def test_the_settings_that_the_page_makes_are_taken(
    local: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed into a shell: the service takes them, and knows the backend by its key and not by another."""
    script = f"cd {tmp_path}\n{OF_BACKEND}{OF_SERVICE}{local}env -0"
    made = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True).stdout  # noqa: S603, S607 - the page's
    variables = dict(line.split("=", 1) for line in made.split("\0") if line)
    own = {name: value for name, value in variables.items() if name.startswith("UPLOADSVC_")}
    for name, value in {
        "UPLOADSVC_SECRET_KEY": "k" * 44,
        "UPLOADSVC_S3__BUCKET": "b-1",
        "UPLOADSVC_S3__REGION": "r",
        **own,
    }.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    create_app(settings)
    (key,) = settings.auth.api_keys
    assert key.sha256 == hashlib.sha256(variables["UPLOADSVC_API_KEY"].encode()).hexdigest()
    (receiver,) = settings.events.webhooks
    assert [secret.get_secret_value() for secret in receiver.secrets] == [variables["WEBHOOK_SECRET"]]
    assert receiver.url == ("http://127.0.0.1:5000/webhooks" if local else "https://app.example.com/webhooks")
    added = ["http://localhost:5173", "http://127.0.0.1:5000"] if local else ["https://app.example.com"]
    assert list(settings.cors.allow_origins) == added
