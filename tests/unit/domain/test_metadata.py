"""Metadata survives an HTTP header, whatever text it holds."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from uploadsvc.domain.metadata import UPLOAD_MARK, decode, encode, encoded_size, is_metadata_name


@given(st.text())
@example("a\r\nX-Evil: 1")
@example("%41")
@example(" a ")
@example("${filename}")
def test_any_text_survives_a_header(value: str) -> None:
    """Encoded values are printable ASCII without spaces and form variables."""
    header = encode(value)
    assert header.isascii()
    assert header.isprintable()
    assert " " not in header
    assert "${" not in header
    assert decode(header) == value


@pytest.mark.parametrize(
    ("value", "header"),
    [
        ("", ""),
        ("plain-text_1.0", "plain-text_1.0"),
        ("a b", "a%20b"),
        ("100%", "100%25"),
        ("é", "%C3%A9"),
        ("a\n", "a%0A"),
        ('{"a":[1]}', '%7B"a":[1]}'),
    ],
)
def test_plain_text_stays_readable(value: str, header: str) -> None:
    """In S3's console, for example."""
    assert encode(value) == header


@pytest.mark.parametrize("value", ["%FF", "%", "100%", "%zz"])
def test_a_value_in_another_encoding_is_returned_unchanged(value: str) -> None:
    assert decode(value) == value


def test_names_and_encoded_values_count_towards_the_size() -> None:
    assert encoded_size({"a": "b", "cd": "é"}) == 2 + 2 + 6
    assert encoded_size({}) == 0


@pytest.mark.parametrize("name", ["a", "title", "camera-model", "x" * 64, "0", "uploadsvc"])
def test_a_good_name_is_accepted(name: str) -> None:
    assert is_metadata_name(name)


@pytest.mark.parametrize(
    "name", ["", "A", "a_b", "-a", "a-", "a b", "é", "a:b", "a\n", "x" * 65, UPLOAD_MARK, "uploadsvc-x"]
)
def test_a_bad_name_is_refused(name: str) -> None:
    assert not is_metadata_name(name)
