"""Sources of the docs site: a missing page or a broken link stops the build."""

from pathlib import Path

import pytest
from tools.docs_site import NAMES, ROOT, collect, finish


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a small repository with pages."""
    root = tmp_path / "repository"
    (root / "docs" / "decisions").mkdir(parents=True)
    (root / "src").mkdir()
    (root / "src" / "code.js").write_text("code")
    (root / "CHANGELOG.md").write_text("# Changes\n\n[Home](docs/index.md)\n")
    (root / "docs" / "index.md").write_text(
        "# Home\n\n[code](../src/code.js) [changes](../CHANGELOG.md#changes) [one](decisions/one.md)\n\n"
        "```md\n[none](nowhere.md)\n```\n"
    )
    (root / "docs" / "decisions" / "one.md").write_text(
        "# One\n\n[up](../index.md) [x](https://example.com)\n"
    )
    (root / "zensical.toml").write_text(
        '[project]\nnav = ["index.md", {More = ["changelog.md", {One = "decisions/one.md"}]}]\n'
    )
    return root


def test_links_lead_to_where_things_are_on_the_site(repository: Path, tmp_path: Path) -> None:
    """Files outside the pages come along; code is left as it is."""
    pages = tmp_path / "pages"
    assert collect(repository, pages) == []
    home = (pages / "index.md").read_text()
    assert "[code](files/src/code.js) [changes](changelog.md#changes) [one](decisions/one.md)" in home
    assert "[none](nowhere.md)" in home
    assert (pages / "files" / "src" / "code.js").read_text() == "code"
    assert "[Home](index.md)" in (pages / "changelog.md").read_text()
    assert "[up](../index.md) [x](https://example.com)" in (pages / "decisions" / "one.md").read_text()


def test_what_is_wrong_is_said(repository: Path, tmp_path: Path) -> None:
    """A link that leads nowhere, a page that is not listed, a listed page that is not there."""
    (repository / "docs" / "lost.md").write_text("# Lost\n\n[gone](gone.md)\n")
    (repository / "docs" / "decisions" / "one.md").unlink()
    assert sorted(collect(repository, tmp_path / "pages")) == [
        "docs/index.md: decisions/one.md leads nowhere",
        "docs/lost.md: gone.md leads nowhere",
        "zensical.toml: nav lacks lost.md",
        "zensical.toml: nav names decisions/one.md, which does not exist",
    ]


def test_the_repositorys_own_pages_are_whole(tmp_path: Path) -> None:
    """Without Zensical, which `make site` needs."""
    assert collect(ROOT, tmp_path) == []
    assert [name for name in NAMES.values() if not (tmp_path / name).exists()] == []


def test_pages_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    """Scripts that the theme takes from a CDN are the site's; others are found."""
    (tmp_path / "deep").mkdir()
    page = tmp_path / "deep" / "page.html"
    page.write_text(
        '<pre class="mermaid"></pre><script src="https://cdn.example.com/iframe-worker/shim"></script>'
    )
    assert finish(tmp_path) == []
    html = page.read_text()
    assert html.index("../assets/mermaid.js") < html.index("../assets/iframe-worker.js")
    (tmp_path / "bad.html").write_text('<link rel="stylesheet" href="https://fonts.example.com/a.css">')
    assert len(finish(tmp_path)) == 1
