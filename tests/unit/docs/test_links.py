"""Links from page to page lead somewhere."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.support.pages import PAGES, name_of
from tests.support.servers import ROOT

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead(page: Path) -> list[str]:
    """Return a page's relative links that lead nowhere, pictures included."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text))
    found = []
    for link in links:
        name, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (page.parent / unquote(name)).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", [*PAGES, *DECISIONS], ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file of the repository, and to a heading where it names one."""
    assert dead(page) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    """What the test above goes by tells right from wrong."""
    (tmp_path / "other.md").write_text("# Other\n\n## `[s3]` and more\n", encoding="utf-8")
    page = tmp_path / "page.md"
    good = (
        "[a](other.md) [`b`](other.md#s3-and-more) [c](#page) [d](https://example.com/nowhere.md) `[e](x.md)`"
    )
    bad = "[f](nowhere.md) ![g](nowhere.png) [h](other.md#nowhere) [i](#nowhere)"
    page.write_text(f"# Page\n\n{good}\n{bad}\n\n```md\n[j](x.md)\n```\n", encoding="utf-8")
    assert dead(page) == ["nowhere.md", "nowhere.png", "other.md#nowhere", "#nowhere"]
