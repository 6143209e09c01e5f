"""`docs/tutorial.md`, followed from its second step on: own store, own bucket, own page."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import httpx
from playwright.async_api import BrowserContext
from tests.support.pages import examples, text_of
from tests.support.servers import ROOT, free_port

from uploadsvc.dev.weed import find_weed, free_ports

PAGE: Final = text_of("docs/tutorial.md")
_, STORE, SETTINGS, BUCKET, TOKEN, SERVE, HTTP = examples(PAGE, "sh")
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


async def until_answers(url: str) -> None:
    """Wait until something listens."""
    async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as http:
        while True:
            with suppress(httpx.TransportError):
                await http.get(url)
                return
            await asyncio.sleep(0.1)


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
    environment = {
        "PATH": f"{ROOT / '.venv' / 'bin'}:{find_weed().parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": str(tmp_path),
        "NO_PROXY": "127.0.0.1,localhost",
    }
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text(here(HTML))
    settings = here(SETTINGS).replace('export PATH="$PWD/.venv/bin:$PATH"\n', "")
    steps = "\n".join([settings, here(BUCKET), TOKEN, here(SERVE), "wait"])
    async with asyncio.timeout(120), shell(here(STORE).rstrip() + f" {more}", tmp_path, environment):
        await until_answers(f"http://127.0.0.1:{ports['8333']}")
        async with shell(steps, tmp_path, environment) as service, shell(here(HTTP), tmp_path, environment):
            assert service.stdout is not None
            lines: list[str] = []
            while not any("uploads/alice/" in line for line in lines):
                line = (await service.stdout.readline()).decode()
                assert line, "".join(lines)
                lines.append(line)
            token = next(line.strip() for line in lines if line.startswith("eyJ"))
            await until_answers(f"http://127.0.0.1:{ports['5173']}")
            page = await context.new_page()
            await page.goto(f"http://localhost:{ports['5173']}/")
            await page.fill("#token", token)
            await page.set_input_files("#file", tmp_path / "hello.txt")
            await page.wait_for_function("document.querySelector('#result').textContent !== ''")
            result = await page.text_content("#result")
    assert result is not None
    assert result.startswith("Stored: uploads/alice/")
