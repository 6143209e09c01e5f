"""Uploaders as npm has them, unmodified, each bundled with a page that uses it."""

from pathlib import Path
from typing import Final

from tests.clients.tools import run
from tests.servers import ROOT

UPLOADERS: Final = ROOT / "tests" / "uploaders"
NODE_MODULES: Final = UPLOADERS / "node_modules"
STAMP: Final = NODE_MODULES / ".ready"


async def bundle(page: Path) -> bytes:
    """Bundle a page's module with the packages that it imports, as a front end's build does."""
    esbuild = NODE_MODULES / "esbuild" / "bin" / "esbuild"
    options = ("--bundle", "--format=esm", "--target=chrome120", "--log-level=warning")
    done = await run("node", esbuild, page, *options, directory=UPLOADERS)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.encode()
