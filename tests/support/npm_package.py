"""The npm package, packed, and installed into apps beside what they need."""

import gzip
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.clients.tools import run
from tests.support.pages import examples, text_of
from tests.support.servers import ROOT

PACKAGE: Final = ROOT / "packages" / "browser"
GUIDE: Final = text_of("docs/react.md")
ADDRESS: Final = "https://uploads.example.com"
"""Where the service is in the guide."""
COMPONENT, NEXT_PAGE = examples(GUIDE, "tsx")
(WEB_COMPONENT,) = examples(GUIDE, "html")
(VUE,), (SVELTE,) = examples(GUIDE, "vue"), examples(GUIDE, "svelte")

_APPS: Final = ROOT / "tests" / "e2e" / "npm"
MODULES: Final = _APPS / "node_modules"
STAMP: Final = MODULES / ".ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Apps:
    """Apps that have the package installed.

    Attributes:
        directory: A folder for each, and one ``node_modules`` for all.
    """

    directory: Path

    @property
    def package(self) -> Path:
        """Where npm has put the package."""
        return self.directory / "node_modules" / "uploadsvc"

    async def tool(self, name: str, *arguments: str, app: str, **environment: str) -> str:
        """Run a tool in an app; it must succeed. Give what it printed."""
        command = self.directory / "node_modules" / ".bin" / name
        environment = {"NEXT_TELEMETRY_DISABLED": "1", **environment}
        done = await run(command, *arguments, directory=self.directory / app, environment=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    async def node(self, script: str, *arguments: str) -> object:
        """Run a module in Node.js, which prints JSON."""
        done = await run("node", "--input-type=module", "-e", script, *arguments, directory=self.directory)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)


async def pack(directory: Path) -> Path:
    """Pack the package, and give the archive."""
    done = await run("npm", "pack", "--silent", "--pack-destination", directory, directory=PACKAGE)
    assert done.returncode == 0, done.stderr
    return directory / done.stdout.strip()


async def install(archive: Path, directory: Path, *, service: str) -> Apps:
    """Install an archive into copies of the apps, which have the guide's code and call a service."""
    shutil.copytree(_APPS / "apps", directory)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(_APPS / name, directory)
    # Links to the files: as npm would put them, in a second.
    shutil.copytree(
        MODULES, directory / "node_modules", symlinks=True, copy_function=_link, ignore=lambda *_: [".ready"]
    )
    options = ("--offline", "--no-save", "--loglevel=error")
    done = await run("npm", "install", *options, archive, directory=directory)
    assert done.returncode == 0, done.stderr
    component = COMPONENT.replace(ADDRESS, service)
    (directory / "vite" / "src" / "uploads.tsx").write_text(component, encoding="utf-8")
    (directory / "next" / "app" / "uploads.tsx").write_text(f'"use client";\n{component}', encoding="utf-8")
    (directory / "next" / "app" / "page.tsx").write_text(NEXT_PAGE, encoding="utf-8")
    for name, code in (("vue", VUE), ("svelte", SVELTE)):
        page = directory / name / "src" / f"Uploads.{name}"
        page.write_text(code.replace(ADDRESS, service), encoding="utf-8")
    return Apps(directory=directory)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system
        shutil.copy2(source, target, follow_symlinks=False)


def compressed(code: bytes) -> int:
    """Return the bytes that a server sends for code."""
    return len(gzip.compress(code, mtime=0))
