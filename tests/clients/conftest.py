"""Clients made from the committed document as it is, and a service on a port for them to call."""

import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.clients.tools import CLIENTS, DOCUMENT, NODE_MODULES, STAMP, run
from tests.processes import environment_for, program
from tests.servers import S3Server, free_port


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """A generated client.

    Attributes:
        directory: Where it is, with the program that uses it.
        generator: How the generator ended, and what it said.
    """

    directory: Path
    generator: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def _tools() -> None:
    if not STAMP.exists():
        pytest.skip(
            f"the client generators are not installed: make {STAMP.relative_to(CLIENTS.parent.parent)}"
        )


@pytest.fixture(scope="session")
async def typescript(_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Generated:
    """Let openapi-typescript make types, beside `usage.ts`."""
    directory = tmp_path_factory.mktemp("typescript")
    for name in ("package.json", "tsconfig.json", "usage.ts"):
        shutil.copy(CLIENTS / name, directory)
    (directory / "node_modules").symlink_to(NODE_MODULES)
    command = directory / "node_modules" / ".bin" / "openapi-typescript"
    done = await run(command, DOCUMENT, "--output", "api.ts", directory=directory)
    return Generated(directory=directory, generator=done)


@pytest.fixture(scope="session")
async def python(_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Generated:
    """Let openapi-python-client make a package, beside `usage.py`."""
    directory = tmp_path_factory.mktemp("python")
    shutil.copy(CLIENTS / "usage.py", directory)
    options = ("--path", DOCUMENT, "--output-path", ".", "--overwrite", "--fail-on-warning")
    done = await run("openapi-python-client", "generate", *options, directory=directory)
    return Generated(directory=directory, generator=done)


@pytest.fixture(scope="session")
async def base_url(seaweedfs: S3Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Run ``uploadsvc serve`` over the S3 that refuses what a client sends wrongly."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = environment_for(seaweedfs, UPLOADSVC_S3__PROVIDER="seaweedfs")
    directory = tmp_path_factory.mktemp("service")
    async with program("serve", "--port", str(port), directory=directory, environment=environment) as service:
        await service.answers(f"{url}/healthz")
        yield url
