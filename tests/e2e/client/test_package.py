"""`pip install uploadsvc` installs the client without the service's dependencies."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from tests.support.servers import ROOT
from tests.support.service import RECEIPT_SECRET
from tests.support.terminal import Terminal

UV: Final = Path(sys.executable).with_name("uv")
SERVICE_ONLY: Final = (
    *("aioboto3", "aiohttp", "boto3", "botocore", "fastapi", "pydantic", "starlette", "structlog", "uvicorn"),
    *("limits", "valkey", "prometheus_client", "puremagic", "defusedxml"),
)

SCRIPT: Final = """
import sys
from uploadsvc.client import AsyncClient, Client, verify_receipt, verify_webhook

loaded = {name.partition(".")[0] for name in sys.modules}
heavy = loaded & {"jwt", "cryptography", "typer", "rich", *sys.argv[1].split(",")}
assert not heavy, heavy
with Client(sys.argv[2], token=sys.argv[3]) as client:
    stored = client.upload(b"from a fresh environment", filename="note.txt")
    print(stored.key)
receipt = verify_receipt(stored.receipt, secret=sys.argv[4], user=sys.argv[5])
assert receipt.key == stored.key
"""


@dataclass(frozen=True, slots=True)
class Fresh:
    """An environment that holds the wheel and its dependencies."""

    directory: Path

    async def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a program of the environment, away from the sources."""
        environment = {"PATH": os.defpath, "HOME": str(self.directory), "NO_PROXY": "127.0.0.1", **variables}
        return await asyncio.to_thread(
            subprocess.run,
            [str(self.directory / "bin" / arguments[0]), *arguments[1:]],
            capture_output=True,
            text=True,
            cwd=self.directory,
            env=environment,
            check=False,
        )


@pytest.fixture(scope="session")
async def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """Build the wheel and install it without extras, in the versions of the lock file."""
    directory = tmp_path_factory.mktemp("fresh")
    constraints = str(ROOT / "locks" / "runtime.txt")
    python, dist = str(directory / "env" / "bin" / "python"), str(directory / "dist")
    steps = (
        [
            *["build", "--quiet", "--wheel", "--no-build-isolation", "--python"],
            sys.executable,
            "-o",
            dist,
            str(ROOT),
        ],
        [*["venv", "--quiet", "--python"], sys.executable, str(directory / "env")],
        [
            *["pip", "install", "--quiet", "--python"],
            python,
            "-c",
            constraints,
            "--find-links",
            dist,
            "uploadsvc",
        ],
    )
    for step in steps:
        done = await asyncio.to_thread(
            subprocess.run, [str(UV), *step], capture_output=True, text=True, check=False
        )
        if done.returncode and "error sending request" in done.stderr:
            pytest.skip("the package index cannot be reached")
        assert done.returncode == 0, done.stderr
    return Fresh(directory / "env")


async def test_it_holds_nothing_of_the_service(fresh: Fresh) -> None:
    listed = await asyncio.to_thread(lambda: sorted(path.name for path in fresh.directory.glob("lib/*/*/*")))
    assert "httpx" in listed
    # typer installs pydantic.
    assert not set(listed) & (set(SERVICE_ONLY) - {"pydantic"})


async def test_it_uploads(fresh: Fresh, term: Terminal) -> None:
    """By the library, which loads no more than it needs, and from a terminal."""
    done = await fresh.run(
        *("python", "-c", SCRIPT, ",".join(SERVICE_ONLY)), term.url, term.token, RECEIPT_SECRET, term.user
    )
    assert done.returncode == 0, done.stderr
    assert await term.content(done.stdout.strip()) == b"from a fresh environment"
    path = term.file(1000)
    done = await fresh.run(
        "uploadsvc", "upload", str(path), UPLOADSVC_URL=term.url, UPLOADSVC_TOKEN=term.token
    )
    assert done.returncode == 0, done.stderr
    keys = await term.stored()
    assert len(keys) == 2
    for command in (["ls"], ["get", *keys], ["rm", *keys]):
        done = await fresh.run("uploadsvc", *command, UPLOADSVC_URL=term.url, UPLOADSVC_TOKEN=term.token)
        assert done.returncode == 0, done.stderr
        assert all(key in done.stdout for key in keys)
    assert (fresh.directory / path.name).read_bytes() == path.read_bytes()
    assert await term.stored() == []


@pytest.mark.parametrize(
    "command",
    [["init"], ["serve"], ["openapi"], ["doctor"], ["receipt-key"], ["bucket", "plan"], ["events", "test"]],
)
async def test_the_service_says_what_to_install(fresh: Fresh, command: list[str]) -> None:
    done = await fresh.run("uploadsvc", *command)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.endswith("pip install 'uploadsvc[server]'")


async def test_help_and_version_need_no_service(fresh: Fresh) -> None:
    shown = await fresh.run("uploadsvc", "--help")
    assert shown.returncode == 0, shown.stderr
    assert "upload" in shown.stdout
    assert (await fresh.run("uploadsvc", "--version")).stdout.startswith("uploadsvc ")
