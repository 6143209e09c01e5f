"""The README's examples do what the README says of them."""

import asyncio
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import BrowserContext
from starlette.responses import HTMLResponse
from tests.support.buckets import set_up
from tests.support.pages import examples, text_of
from tests.support.servers import S3Server
from tests.support.service import authorization, settings_for, token_for
from tests.support.stories.serving import served

from uploadsvc.app import create_app
from uploadsvc.settings import Settings

BASH, CURL = shutil.which("bash"), shutil.which("curl")
README = text_of("README.md")
ADDRESS = "http://127.0.0.1:8000"

# What the example leaves to the page.
_APP = """(token) => {
  globalThis.myLogin = { token };
  globalThis.file = new File(["bytes"], "note.txt", { type: "text/plain" });
  globalThis.shown = [];
  globalThis.show = (part) => shown.push(part);
  globalThis.over = new Promise((resolve) => { globalThis.told = resolve; });
}"""


async def answer_of(line: str) -> Any:  # noqa: ANN401 - JSON
    """Run a line as whoever has pasted it into a terminal, and has a JWT."""
    if BASH is None or CURL is None:
        pytest.skip("bash and curl are not installed: apt-get install bash curl")
    environment = {"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", "JWT": token_for("alice")}
    running = await asyncio.create_subprocess_exec(
        BASH, "-c", line, env=environment, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(20):
        printed, _ = await running.communicate()
    assert running.returncode == 0
    return json.loads(printed)


async def test_the_call_answers_as_shown_and_the_upload_is_completed(moto_server: S3Server) -> None:
    """The answer has the fields of the example; the PUT and the completion that it tells of work."""
    (line,) = [script for script in examples(README, "sh") if script.startswith("curl")]
    shown = json.loads(examples(README, "json")[0])
    assert ADDRESS in line
    async with served(create_app(Settings.model_validate(settings_for(moto_server)))) as service:
        answer = await answer_of(line.replace(ADDRESS, service))
        assert list(answer) == list(shown)
        assert (answer["method"], answer["headers"]) == (shown["method"], shown["headers"])
        assert answer["key"].startswith("uploads/alice/")
        assert answer["key"].endswith("/photo.jpg")
        async with httpx.AsyncClient(trust_env=False) as http:
            sent = await http.put(answer["url"], headers=answer["headers"], content=bytes(123456))
            assert sent.status_code == 200
            path = f"{service}/v1/uploads/{answer['id']}/complete"
            completed = await http.post(path, headers=authorization("alice"))
        assert completed.json()["object"]["size"] == 123456
        assert completed.json()["receipt"]


async def test_the_module_uploads_from_a_page(seaweedfs: S3Server, context: BrowserContext) -> None:
    """One of the service's own origin, which has a login, a file and a place to show progress."""
    (example,) = examples(README, "js")
    s3 = replace(seaweedfs, bucket=await seaweedfs.create_bucket())
    settings = settings_for(s3)
    app = create_app(Settings.model_validate(settings))
    app.add_route("/app", lambda _: HTMLResponse('<link rel="icon" href="data:,">'))
    async with asyncio.timeout(30), served(app) as service:
        await set_up(s3, {**settings, "cors": {"allow_origins": [service]}})
        page = await context.new_page()
        await page.goto(f"{service}/app")
        await page.evaluate(_APP, token_for("alice"))
        await page.add_script_tag(type="module", content=f"{example}told({{ object, receipt }});")
        result = await page.evaluate("over")
    assert result["object"]["key"].startswith("uploads/alice/")
    assert result["object"]["size"] == 5
    assert result["receipt"]
    assert await page.evaluate("shown.at(-1)") == 1


async def test_the_python_client_uploads_a_file(
    moto_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the address and a token of this test, from the folder where the film is."""
    (example,) = examples(README, "python")
    (tmp_path / "film.mp4").write_bytes(b"a film")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    async with served(create_app(Settings.model_validate(settings_for(moto_server)))) as service:
        code = example.replace("https://uploads.example.com", service).replace("…", token_for("alice"))
        await asyncio.to_thread(exec, code, names)
    assert names["receipt"].count(".") == 2
