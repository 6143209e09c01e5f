"""Every filename becomes one valid segment of a key, and its folders become others."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.keys import HOSTILE, is_good

from uploadsvc.domain.errors import InvalidKey
from uploadsvc.domain.filenames import (
    MAX_FILENAME_BYTES,
    MAX_FOLDERS,
    MAX_FOLDERS_BYTES,
    file_extension,
    last_part,
    safe_filename,
    safe_folders,
)


@given(HOSTILE)
@example("")
@example("...")
@example("a/..")
@example("C:\\dir\\..\\x.jpg")
@example("e\u0301.jpg")
@example("x" * 500 + ".tar.gz")
@example("\U0001f600" * 100 + ".jpeg")
@example("." * 300 + "a")
@example("\u202e\u200da")
@example("x" * 193 + "\u200déa.jpg")
def test_every_filename_becomes_one_good_segment(filename: str) -> None:
    """A filename is never refused."""
    name = safe_filename(filename)
    assert "/" not in name
    assert is_good(name)
    assert not name.startswith(".")
    assert len(name.encode()) <= MAX_FILENAME_BYTES
    assert unicodedata.is_normalized("NFC", name)
    assert safe_filename(name) == name


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("photo.jpg", "photo.jpg"),
        ("my photo (1).jpg", "my photo (1).jpg"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\ann\\photo.jpg", "photo.jpg"),
        ("dir/", "dir"),
        ("..", "file"),
        ("", "file"),
        (".bashrc", "_bashrc"),
        ("photo.jpg.", "photo.jpg"),
        ("${filename}", "__filename_"),
        ("%2e%2e%2fx", "_2e_2e_2fx"),
        ("a\x00b\r\nc", "a_b__c"),
        ("gpj.\u202eexe", "gpj._exe"),
        ("cafe\u0301.jpg", "café.jpg"),
        ("a\ud800.jpg", "a_.jpg"),
        ("a  b\u3000c.txt", "a b c.txt"),
        ("x" * 300 + ".jpg", "x" * 196 + ".jpg"),
        ("é" * 150 + ".jpg", "é" * 98 + ".jpg"),
        # Persian, Hindi and joined emoji need joiners; between ASCII letters they only hide a difference.
        ("می\u200cشود.pdf", "می\u200cشود.pdf"),
        ("क\u094d\u200dष.txt", "क\u094d\u200dष.txt"),
        ("\U0001f468\u200d\U0001f4bb.png", "\U0001f468\u200d\U0001f4bb.png"),
        ("pay\u200cpal.exe", "pay_pal.exe"),
        ("\u200d\u200c", "__"),
        # The cut takes the letter that the joiner belongs to.
        ("x" * 193 + "\u200déa.jpg", "x" * 193 + "_.jpg"),
        # Letters and emoji newer than Python's tables; not the code points that will never be visible.
        ("\U0001faf1\U0001fae9\u0c5c.png", "\U0001faf1\U0001fae9\u0c5c.png"),
        ("a\ufdd0\U0001ffff\u2065\ufff0\U000e0fffb", "a_____b"),
    ],
)
def test_filenames_are_made_safe_as_documented(filename: str, name: str) -> None:
    assert safe_filename(filename) == name


@pytest.mark.parametrize(
    ("filename", "extension"),
    [
        ("a.jpg", ".jpg"),
        ("a.tar.gz", ".gz"),
        ("a.JPG", ".JPG"),
        ("a", ""),
        (".jpg", ""),
        ("a.", ""),
        ("a.j/pg", ""),
        ("a.é", ""),
        ("a." + "e" * 17, ""),
    ],
)
def test_only_short_plain_extensions_count(filename: str, extension: str) -> None:
    assert file_extension(filename) == extension


@given(st.lists(HOSTILE, max_size=6).map("/".join))
@example("../../bob/a.jpg")
@example("a\\..\\..\\b/c")
@example("//a/./b//c.jpg/")
@example("\u200d/\u200c/x")
@example("/".join("x" * 300 for _ in range(3)))
def test_folders_become_good_segments(filename: str) -> None:
    """However they are resolved, they lead nowhere else."""
    try:
        folders = safe_folders(filename)
    except InvalidKey:
        return
    assert folders == "" or folders.endswith("/")
    key = folders + safe_filename(filename)
    assert is_good(key)
    assert unicodedata.is_normalized("NFC", key)
    names = key.split("/")
    assert not any(name.startswith(".") for name in names)
    assert max(len(name.encode()) for name in names) <= MAX_FILENAME_BYTES
    assert len(folders.encode()) <= MAX_FOLDERS_BYTES
    assert safe_folders(key) == folders, "made safe again, they are the same"


@pytest.mark.parametrize(
    ("filename", "folders"),
    [
        ("a.jpg", ""),
        ("", ""),
        ("photos/2026/a.jpg", "photos/2026/"),
        ("photos\\2026/a.jpg", "photos/2026/"),
        ("/etc/passwd", "etc/"),
        ("../../bob/./x//a.jpg", "bob/x/"),
        ("photos/2026/", "photos/"),
        ("a/a", "a/"),
        (".git/hooks/.x", "_git/hooks/"),
        ("C:\\Users\\ann\\a.jpg", "C_/Users/ann/"),
        ("${x}/%2e%2e/a", "__x_/_2e_2e/"),
        ("e\u0301te\u0301/a", "été/"),
        (".../a", "file/"),
        ("x" * 300 + "/a", "x" * 200 + "/"),
        ("d/" * MAX_FOLDERS + "a", "d/" * MAX_FOLDERS),
        ("./" * 1000 + "a", ""),
    ],
)
def test_folders_are_made_safe_as_documented(filename: str, folders: str) -> None:
    assert safe_folders(filename) == folders


@pytest.mark.parametrize(
    "filename",
    ["d/" * (MAX_FOLDERS + 1) + "a", ("é" * 100 + "/") * 2 + "a", "d/" * 400_000 + "a"],
    ids=["many", "long", "endless"],
)
def test_too_many_or_too_long_folders_are_refused(filename: str) -> None:
    """Shortening them would put different files into the same folder."""
    with pytest.raises(InvalidKey, match="32 folders, of 400 bytes") as caught:
        safe_folders(filename)
    assert caught.value.field == "filename"
    assert safe_folders("d/" + ("é" * 99 + "/") + "x" * 198 + "/a"), "400 bytes are allowed"


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("photos/a.jpg", "a.jpg"),
        ("a/b\\c.jpg", "c.jpg"),
        ("photos/", "photos"),
        ("/", ""),
    ],
)
def test_a_filename_without_its_folders(filename: str, name: str) -> None:
    assert last_part(filename) == name
