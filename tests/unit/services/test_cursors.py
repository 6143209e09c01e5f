"""A cursor carries any text through a URL, and a malformed one is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uploadsvc.domain.errors import ValidationFailed
from uploadsvc.services.cursors import decode_cursor, encode_cursor, is_listed_key


@given(st.text())
def test_a_cursor_gives_its_text_back(text: str) -> None:
    cursor = encode_cursor(text)
    assert re.fullmatch(r"[A-Za-z0-9_-]*", cursor)
    assert decode_cursor(cursor) == text


@pytest.mark.parametrize("cursor", ["a", "*", "ä", "YQ+/", "_w", "YQ==YQ", "Y Q"])
def test_a_malformed_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        decode_cursor(cursor)
    assert caught.value.field == "cursor"


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("a\tb\nc\rd", True),
        ("ä" * 5, True),
        ("ä" * 5 + "b", False),
        ("a\x00", False),
        ("\x1b", False),
        ("\ufffe", False),
    ],
)
def test_a_listed_key_is_short_enough_and_fits_into_xml(text: str, *, fits: bool) -> None:
    assert is_listed_key(text, max_bytes=10) is fits
