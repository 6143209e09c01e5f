"""Collect the pages of the docs site (``python -m tools.docs_site collect``); ``finish`` the built site.

Pages link to files of the repository outside ``docs``. Those are copied beside the pages, so that the site is
self-contained.
"""

import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = Path(".site/pages")
SCRIPTS: Final = {
    "mermaid.js": "@mermaid-js/tiny/dist/mermaid.tiny.js",
    # Search without a server needs it.
    "iframe-worker.js": "iframe-worker/shim/index.js",
}
"""Scripts that the theme would load from a CDN: their names on the site, and their npm paths."""
NAMES: Final = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
    "benchmarks/SOAK.md": "soak.md",
}
"""Pages outside ``docs``, and their names on the site."""

_FENCE: Final = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
_LOADED: Final = re.compile(
    r"<(?:script|img|iframe)[^>]+src=\"?(?:https?:)?//[^>]*|<link[^>]+rel=\"?(?:stylesheet|preconnect|preload)[^>]+href=\"?(?:https?:)?//[^>]*"
)
_WORKER: Final = re.compile(r"https://[a-z.]+/iframe-worker/shim")
_LINK: Final = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")


def listed(nav: list[Any]) -> Iterator[str]:
    """Yield the pages that a ``nav`` names."""
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            if isinstance(value, list):
                yield from listed(value)
            else:
                yield value


def collect(root: Path, pages: Path) -> list[str]:
    """Write the site's pages into an empty directory, and return the problems found in them."""
    wrong = []
    sources = {page: page.relative_to(root / "docs").as_posix() for page in (root / "docs").rglob("*.md")}
    sources |= {root / name: target for name, target in NAMES.items() if (root / name).exists()}
    for source, name in sources.items():
        target = pages / name
        target.parent.mkdir(parents=True, exist_ok=True)
        text, dead = _relinked(source, name, sources, root, pages)
        wrong += [f"{source.relative_to(root)}: {link} leads nowhere" for link in dead]
        target.write_text(text, encoding="utf-8")
    nav = set(listed(tomllib.loads((root / "zensical.toml").read_text("utf-8"))["project"]["nav"]))
    wrong += [f"zensical.toml: nav lacks {name}" for name in sorted(set(sources.values()) - nav)]
    wrong += [
        f"zensical.toml: nav names {name}, which does not exist"
        for name in sorted(nav - set(sources.values()))
    ]
    return wrong


def _relinked(
    source: Path, name: str, sources: dict[Path, str], root: Path, pages: Path
) -> tuple[str, list[str]]:
    """Return a page with its links rewritten for the site, and its broken links."""
    dead = []
    up = "../" * name.count("/")

    def moved(match: re.Match[str]) -> str:
        link, anchor = match[1], match[2] or ""
        file = (source.parent / link).resolve()
        if file in sources:
            return f"{up}{sources[file]}{anchor}"
        if file == root / "README.md":
            return f"{up}index.md{anchor}"
        if file == root / "docs" / "decisions":
            return f"{up}decisions/index.md"
        if not file.is_file():
            # A folder cannot be shown by a site without a server: its name is enough.
            if not file.is_dir():
                dead.append(link)
            return f"{up}index.md"
        within = file.relative_to(root)
        copy = Path(*within.parts[1:]) if within.parts[0] == "docs" else Path("files", *within.parts)
        (pages / copy).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, pages / copy)
        return f"{up}{copy.as_posix()}{anchor}"

    text = source.read_text(encoding="utf-8")
    parts, at = [], 0
    for fence in _FENCE.finditer(text):
        parts += [_LINK.sub(moved, text[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, _LINK.sub(moved, text[at:])]), dead


def finish(site: Path) -> list[str]:
    """Make pages load their scripts from the site, and return what they still load from elsewhere."""
    wrong = []
    for page in sorted(site.rglob("*.html")):
        up = "../" * (len(page.relative_to(site).parts) - 1)
        html = page.read_text(encoding="utf-8")
        html = _WORKER.sub(f"{up}assets/iframe-worker.js", html)
        if 'class="mermaid"' in html:
            # Before the theme's own script, which would load it from a CDN.
            html = html.replace("<script", f'<script src="{up}assets/mermaid.js"></script><script', 1)
        page.write_text(html, encoding="utf-8")
        wrong += [f"{page.relative_to(site)}: loads {found[0]}" for found in _LOADED.finditer(html)]
    return wrong


def _collect() -> list[str]:
    pages = ROOT / PAGES
    shutil.rmtree(pages, ignore_errors=True)
    (pages / "assets").mkdir(parents=True)
    for name, module in SCRIPTS.items():
        shutil.copyfile(ROOT / "tools/site_scripts/node_modules" / module, pages / "assets" / name)
    return collect(ROOT, pages)


if __name__ == "__main__":
    found = _collect() if sys.argv[1:] == ["collect"] else finish(ROOT / "dist" / "site")
    if found:
        sys.exit("\n".join(found))
