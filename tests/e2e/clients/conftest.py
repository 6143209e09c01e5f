"""Clients made from the committed document as `docs/clients.md` says, and a service for them to call."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.clients.guide import (
    HEY_API,
    OPENAPI_GENERATOR,
    OPENAPI_PYTHON_CLIENT,
    OPENAPI_TYPESCRIPT,
    Recipe,
)
from tests.support.clients.tools import CLIENTS, NODE_MODULES, STAMP, Generated, generate
from tests.support.processes import environment_for, program
from tests.support.servers import S3Server, free_port


@pytest.fixture(scope="session")
def _tools() -> None:
    if not STAMP.exists():
        pytest.skip(
            f"the client generators are not installed: make {STAMP.relative_to(CLIENTS.parent.parent)}"
        )


@pytest.fixture(scope="session")
async def typescript(_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Generated:
    """Let openapi-typescript make types, beside `usage.ts` and the page's program."""
    directory = tmp_path_factory.mktemp("typescript")
    return await _typescript(OPENAPI_TYPESCRIPT, directory, "usage.ts", "tsconfig.json")


@pytest.fixture(scope="session")
async def hey_api(_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Generated:
    """Let Hey API make a client, beside `usage_hey_api.ts` and the page's program."""
    directory = tmp_path_factory.mktemp("hey-api")
    return await _typescript(HEY_API, directory, "usage_hey_api.ts", "tsconfig.hey_api.json")


@pytest.fixture(scope="session")
async def openapi_generator(_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Generated:
    """Let OpenAPI Generator make a client, beside `usage_openapi_generator.ts` and the page's program."""
    directory = tmp_path_factory.mktemp("openapi-generator")
    project = "tsconfig.openapi_generator.json"
    return await _typescript(OPENAPI_GENERATOR, directory, "usage_openapi_generator.ts", project)


@pytest.fixture(scope="session")
async def python(_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Generated:
    """Let openapi-python-client make a package, beside `usage.py` and the page's program."""
    directory = tmp_path_factory.mktemp("python")
    generator = await generate(OPENAPI_PYTHON_CLIENT, directory)
    package = directory / "uploadsvc-client"
    shutil.copy(CLIENTS / "usage.py", package)
    (package / "upload.py").write_text(OPENAPI_PYTHON_CLIENT.program, encoding="utf-8")
    return Generated(directory=package, generator=generator)


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


async def _typescript(of: Recipe, directory: Path, usage: str, project: str) -> Generated:
    for settings in CLIENTS.glob("tsconfig*.json"):
        shutil.copy(settings, directory)
    shutil.copy(CLIENTS / "package.json", directory)
    shutil.copy(CLIENTS / usage, directory / "usage.ts")
    (directory / "node_modules").symlink_to(NODE_MODULES)
    (directory / "upload.ts").write_text(of.program, encoding="utf-8")
    return Generated(directory=directory, generator=await generate(of, directory), project=project)
