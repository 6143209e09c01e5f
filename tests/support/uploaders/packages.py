"""Uploaders as npm has them, unmodified, each bundled with a page that uses it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from tests.support.clients.tools import run
from tests.support.servers import ROOT

UPLOADERS: Final = ROOT / "tests" / "e2e" / "uploaders"
NODE_MODULES: Final = UPLOADERS / "node_modules"
STAMP: Final = NODE_MODULES / ".ready"


Bundled = Callable[[str], Awaitable[bytes]]
"""Bundles the page of a package, ``uppy6`` for example, with the examples of its guide."""


async def bundle(page: Path, *, guide: Path) -> bytes:
    """Bundle a page's module with the packages that it imports, as a front end's build does.

    Args:
        page: The module; it may import ``guide``.
        guide: What stands in for that: the examples of one of our pages.
    """
    esbuild = NODE_MODULES / "esbuild" / "bin" / "esbuild"
    options = ("--bundle", "--format=esm", "--target=esnext", "--log-level=warning")
    # The examples lie elsewhere; what they import is looked for where the page's is.
    where = {"NODE_PATH": f"{page.parent / 'node_modules'}:{NODE_MODULES}"}
    done = await run(
        "node", esbuild, page, *options, f"--alias:guide={guide}", directory=UPLOADERS, environment=where
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.encode()
