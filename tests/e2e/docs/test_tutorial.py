"""`docs/tutorial.md`, followed: installed from a clone, with an own store, an own bucket, an own page."""

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import httpx
import pytest
from playwright.async_api import BrowserContext
from tests.support.pages import examples, text_of
from tests.support.servers import ROOT, free_port

from uploadsvc.dev.weed import free_ports

PAGE: Final = text_of("docs/tutorial.md")
INSTALL, STORE, SETTINGS, BUCKET, TOKEN, SERVE, LIST, HTTP = examples(PAGE, "sh")
(HTML,) = examples(PAGE, "html")


@asynccontextmanager
async def shell(
    script: str, directory: Path, environment: dict[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a script as a terminal of its own, and end all that it has started."""
    running = await asyncio.create_subprocess_exec(
        shutil.which("bash") or "/bin/bash",
        "-ec",
        script,
        cwd=directory,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGTERM)
        await running.communicate()


def clone(directory: Path) -> Path:
    """Copy what a clone would have and `pip` needs, with the locked versions for `pip` to keep to."""
    directory.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, directory)
    shutil.copytree(ROOT / "src", directory / "src", ignore=shutil.ignore_patterns("__pycache__"))
    locked = [(ROOT / "locks" / name).read_text() for name in ("dev.txt", "build.txt")]
    pins = re.findall(r"^[a-z0-9-]+==\S+(?: ;.*?(?= \\$))?", "\n".join(locked), re.MULTILINE)
    (directory / "pins.txt").write_text("\n".join(pins))
    return directory


async def until_answers(url: str, by: asyncio.subprocess.Process) -> None:
    """Wait until a terminal's server listens."""
    async with asyncio.timeout(240), httpx.AsyncClient(trust_env=False) as http:
        while by.returncode is None:
            with suppress(httpx.TransportError):
                await http.get(url)
                return
            await asyncio.sleep(0.1)
    said, _ = await by.communicate()
    pytest.fail(said.decode(errors="replace"))


async def test_the_tutorial_leads_to_an_upload_from_an_own_page(
    tmp_path: Path, context: BrowserContext
) -> None:
    """With other ports, in case someone else follows it on this machine."""
    ports = {"8000": str(free_port()), "5173": str(free_port()), "8333": str(free_ports()["s3"])}

    def here(text: str) -> str:
        for port, other in ports.items():
            text = text.replace(port, other)
        return text.replace("sleep 3", f"until curl -sf 127.0.0.1:{ports['8000']}/readyz; do sleep 0.1; done")

    # The other servers of SeaweedFS listen too.
    more = " ".join(f"-{name}.port={port}" for name, port in free_ports().items() if name != "s3")
    own = clone(tmp_path / "clone")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "PATH": f"{sys.base_prefix}/bin:{os.environ['PATH']}",
        "PIP_CONSTRAINT": str(own / "pins.txt"),
        "XDG_STATE_HOME": str(tmp_path),
        "NO_PROXY": "127.0.0.1,localhost",
    }
    (own / "page").mkdir()
    (own / "page" / "index.html").write_text(here(HTML))
    first = INSTALL + here(STORE).rstrip() + f" {more}"
    second = "\n".join([here(SETTINGS), here(BUCKET), TOKEN, here(SERVE), here(LIST), "wait"])
    async with asyncio.timeout(300), shell(first, own, environment) as store:
        await until_answers(f"http://127.0.0.1:{ports['8333']}", store)
        async with shell(second, own, environment) as service, shell(here(HTTP), own, environment) as pages:
            assert service.stdout is not None
            lines: list[str] = []
            # The line of `ls` has its size.
            while not any("6 B" in line and "uploads/alice/" in line for line in lines):
                line = (await service.stdout.readline()).decode()
                assert line, "".join(lines)
                lines.append(line)
            token = next(line.strip() for line in lines if line.startswith("eyJ"))
            await until_answers(f"http://127.0.0.1:{ports['5173']}", pages)
            page = await context.new_page()
            await page.goto(f"http://localhost:{ports['5173']}/")
            await page.fill("#token", token)
            await page.set_input_files("#file", own / "hello.txt")
            await page.wait_for_function("document.querySelector('#result').textContent !== ''")
            result = await page.text_content("#result")
    assert result is not None
    assert result.startswith("Stored: uploads/alice/")
