"""The generators and compilers, run as their users run them: from the command line."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.clients.guide import Recipe
from tests.support.servers import ROOT

CLIENTS: Final = ROOT / "tests" / "e2e" / "clients"
DOCUMENT: Final = ROOT / "openapi.json"
NODE_MODULES: Final = CLIENTS / "node_modules"
STAMP: Final = NODE_MODULES / ".ready"
_BIN: Final = ROOT / ".venv-clients" / "bin"
PYTHON: Final = _BIN / "python"
NODE: Final = _BIN / "node"
GENERATOR_JAR: Final = next(
    _BIN.parent.glob("lib/python*/site-packages/openapi_generator_cli/openapi-generator.jar"), None
)
_TIMEOUT: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """A generated client.

    Attributes:
        directory: Where it is, with the programs that use it.
        generator: How the generator ended, and what it said.
        project: The TypeScript compiler's settings.
    """

    directory: Path
    generator: subprocess.CompletedProcess[str]
    project: str = "tsconfig.json"


async def run(
    *command: str | Path, directory: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in a directory, with the generators and Node.js on its path and little else around it."""
    return await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=directory,
        env={
            "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(directory),
            "NO_COLOR": "1",
            "NO_PROXY": "127.0.0.1",
            "NPM_CONFIG_UPDATE_NOTIFIER": "false",
            **(environment or {}),
        },
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=_TIMEOUT,
    )


async def generate(of: Recipe, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the command of a section of the page, beside a copy of the document."""
    shutil.copy(DOCUMENT, directory)
    return await run("sh", "-ec", of.command, directory=directory)


async def type_check(*names: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run ``mypy --strict`` against what a generated client needs, and nothing that this service needs."""
    python = ("--python-executable", PYTHON)
    options = ("--strict", "--config-file=", "--cache-dir", directory / ".mypy_cache")
    return await run(sys.executable, "-m", "mypy", *options, *python, *names, directory=directory)
