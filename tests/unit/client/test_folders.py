"""Which files a command takes, and what keys they keep."""

import os
from pathlib import Path

import pytest

from uploadsvc.client.folders import sources
from uploadsvc.client.patterns import ALL, Filter, regex_of

TREE = (
    *("photos/a.jpg", "photos/2026/b.jpg", "photos/2026/b.txt", "photos/2026/deep/c.jpg"),
    *("photos/.git/d.jpg", "photos/node_modules/e.jpg", "photos/.hidden.jpg", "[odd].jpg", "o.jpg", "z.txt"),
)


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in TREE:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def taken(*names: str, chosen: Filter = ALL, prefix: str | None = None) -> dict[str, str | None]:
    """Return the key that each file keeps."""
    found = sources(names, prefix=prefix, chosen=chosen)
    return {str(source.path): source.relative_key for source in found}


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("*.jpg", ["[odd].jpg", "o.jpg"]),
        ("photos/**/*.jpg", [TREE[0], TREE[1], TREE[3], TREE[5]]),
        ("photos/**/deep/*", [TREE[3]]),
        ("photos/**/.hidden*", ["photos/.hidden.jpg"]),
        ("photos/20*/?.jpg", [TREE[1]]),
        ("**/*.txt", ["photos/2026/b.txt", "z.txt"]),
        # Files that have the name are not patterns.
        ("[odd].jpg", ["[odd].jpg"]),
        ("[no].jpg", ["o.jpg"]),
        ("[!no].jpg", ["[!no].jpg"]),
    ],
)
def test_patterns_that_the_shell_has_left(pattern: str, files: list[str]) -> None:
    """One without matches stays, so that it is reported."""
    assert sorted(taken(pattern)) == sorted(files)


def test_a_pattern_keeps_folders_as_the_folder_itself_does(tree: Path) -> None:
    """What `**` stands for is below the folder before it; others are as if the shell expanded them."""
    whole = taken("photos")
    assert all(whole[name] == key for name, key in taken("photos/**/*.jpg").items())
    assert taken("photos/20*")["photos/2026/b.txt"] == "2026/b.txt"
    assert taken("photos/2026/*")["photos/2026/b.txt"] is None
    assert taken(f"{tree}/photos/**/c.jpg", prefix="x") == {
        f"{tree}/photos/2026/deep/c.jpg": "x/2026/deep/c.jpg"
    }


@pytest.mark.parametrize(
    ("chosen", "files"),
    [
        (Filter(include=["*.txt"]), ["photos/2026/b.txt"]),
        (Filter(include=["2026"], exclude=["deep"]), ["photos/2026/b.jpg", "photos/2026/b.txt"]),
        (Filter(include=["2026/*"]), ["photos/2026/b.jpg", "photos/2026/b.txt"]),
        (Filter(include=["**/c.jpg", "/a.jpg/"]), ["photos/a.jpg", "photos/2026/deep/c.jpg"]),
        (Filter(exclude=[".*", "node_modules/", "2026/**"]), ["photos/a.jpg"]),
        (Filter(include=["*.JPG"]), []),
    ],
)
def test_include_and_exclude(chosen: Filter, files: list[str]) -> None:
    """A pattern without a slash is of any name on the way, one with a slash of the way below the folder."""
    assert sorted(taken("photos", chosen=chosen)) == sorted(files)
    everywhere = taken("photos/**", chosen=chosen)
    assert set(everywhere) == {name for name in files if "/." not in name}


def test_named_files_are_chosen_too() -> None:
    """As the shell expands a pattern, the command cannot tell; standard input has no name."""
    assert list(taken("o.jpg", "z.txt", "-", chosen=Filter(exclude=["*.jpg"]))) == ["z.txt", "-"]
    assert list(taken("?.*", chosen=Filter(include=["z*"]))) == ["z.txt"]


def test_folders_left_out_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """They can be large, or closed."""
    read, scandir = list[str](), os.scandir

    def noting(path: str) -> object:
        read.append(path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", noting)
    taken("photos", chosen=Filter(exclude=["node_modules"]))
    assert "photos" in read
    assert not any("node_modules" in path for path in read)


@pytest.mark.parametrize(
    "pattern", ["[z-a]", "[", "[]", "[!]", "a[b", "\\", "(", "[[]", "[]]", "[^a]", "***"]
)
def test_any_text_is_a_pattern(pattern: str) -> None:
    """As in a shell, brackets that are none stand for themselves."""
    assert regex_of(pattern).fullmatch(pattern) or pattern in {"[[]", "[]]", "[^a]"}
    assert regex_of("[[]").fullmatch("[")
    assert regex_of("[]]").fullmatch("]")
    assert regex_of("[^a]").fullmatch("^")
