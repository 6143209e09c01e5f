"""The pages that we publish, and the examples in them."""

import re
from pathlib import Path
from typing import Final

from tests.support.servers import ROOT

PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


def name_of(page: Path) -> str:
    """Return how a test calls a page."""
    return str(page.relative_to(ROOT))


def text_of(name: str) -> str:
    """Return a page's text."""
    return (ROOT / name).read_text(encoding="utf-8")


def examples(text: str, language: str) -> list[str]:
    """Return a page's examples in one language, in order."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
