"""A filename survives ``Content-Disposition``, and adds nothing else to it."""

import re
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from uploadsvc.domain.characters import is_unsafe
from uploadsvc.domain.disposition import content_disposition

ANY = st.text(st.characters(exclude_categories=()), max_size=40)
_FORM = re.compile(r"attachment(?:; filename=\"([^\"\\]*)\")?(?:; filename\*=UTF-8''([^ ;\"',]*))?")


def read_back(header: str) -> str:
    """Return the filename as an RFC 6266 client reads it: ``filename*`` before ``filename``."""
    match = _FORM.fullmatch(header)
    assert match is not None
    plain, extended = match.groups()
    return unquote(extended, errors="strict") if extended is not None else plain or ""


@given(ANY)
@example('a"; filename="b')
@example("a\r\nSet-Cookie: x")
@example("a\\")
@example("${filename}")
@example("\ud800")
@example("a\u202eb\u2066c\ufeffd\ufdd0e")
def test_a_header_is_always_one_disposition_and_one_name(filename: str) -> None:
    """No filename adds a parameter, a line, a path or a form variable."""
    header = content_disposition("attachment", filename)
    assert header.isascii()
    assert header.isprintable()
    assert "${" not in header
    name = read_back(header)
    assert not set(name) & {"/", "\\"}
    assert not any(is_unsafe(c) for c in name)
    assert not set(name) & {"\u202e", "\u2066", "\ufeff", "\ufdd0"}
    assert len(name) <= 200


@given(
    st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters="/\\"), min_size=1, max_size=60)
)
def test_an_ordinary_filename_survives(filename: str) -> None:
    """In any script, in NFC."""
    name = unicodedata.normalize("NFC", filename)
    assert read_back(content_disposition("attachment", filename)) == name[:200]


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        (None, "inline"),
        ("", "inline"),
        (" ", "inline"),
        ("\0\r\n", "inline"),
        ("report.pdf", 'inline; filename="report.pdf"'),
        ("my report (1).pdf", 'inline; filename="my report (1).pdf"'),
        ("naïve.txt", "inline; filename=\"naive.txt\"; filename*=UTF-8''na%C3%AFve.txt"),
        ("100%.txt", "inline; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ('a"b', "inline; filename=\"a_b\"; filename*=UTF-8''a%22b"),
        ("${x}", "inline; filename=\"$_x_\"; filename*=UTF-8''$%7Bx%7D"),
        ("日本", "inline; filename=\"file\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC"),
        ("dir/x.txt", 'inline; filename="dir_x.txt"'),
        ("dir\\x.txt", 'inline; filename="dir_x.txt"'),
        ("gpj.\u202eexe", 'inline; filename="gpj.exe"'),
        ("a\r\nb", 'inline; filename="ab"'),
        ("x" * 300, f'inline; filename="{"x" * 200}"'),
        ("日本.pdf", "inline; filename=\"file.pdf\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.pdf"),
        ("日本.", "inline; filename=\"file\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC."),
        (".é", "inline; filename=\".e\"; filename*=UTF-8''.%C3%A9"),
        ("می\u200cخ", "inline; filename=\"file\"; filename*=UTF-8''%D9%85%DB%8C%E2%80%8C%D8%AE"),
        ("pay\u200cpal", 'inline; filename="paypal"'),
    ],
)
def test_the_header_is_as_documented(filename: str | None, header: str) -> None:
    """A plain name is quoted once; others are also given exactly by RFC 8187."""
    assert content_disposition("inline", filename) == header
