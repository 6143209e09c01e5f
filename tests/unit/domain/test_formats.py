"""The format of each file of the corpus is recognized, and no bytes take long or fail."""

import random

import pytest
from tests.support.corpus import FILES, a_zip

from uploadsvc.domain.formats import HEAD_BYTES, WORD, recognize


@pytest.mark.parametrize("name", FILES)
def test_the_format_is_recognized(name: str) -> None:
    content, media_type = FILES[name]
    assert recognize(content[:HEAD_BYTES]) == media_type


@pytest.mark.parametrize("name", FILES)
def test_a_file_may_end_anywhere(name: str) -> None:
    """Whatever is left of it, and whatever stands before it."""
    content = FILES[name][0][:HEAD_BYTES]
    for end in range(min(len(content), 80)):
        recognize(content[:end])
        recognize(b"\0" * end + content)


def test_no_bytes_make_it_fail() -> None:
    """Openings without an end, repeated to fill the head, and bytes at random."""
    openings = (b"<!--", b"<?", b"<!DOCTYPE [", b"<!DOCTYPE a [<!", b"<", b"<a:", b"PK\3\4", b"<!---->")
    for opening in openings:
        recognize((opening * HEAD_BYTES)[:HEAD_BYTES])
    noise = random.Random(7)  # noqa: S311 - the same bytes in each run
    for _ in range(500):
        recognize(noise.randbytes(noise.randrange(600)))


def test_an_office_document_is_told_by_any_entry_in_the_head() -> None:
    """Word writes its entries in any order, and the first may be long."""
    others = [f"_rels/{number}.rels" for number in range(20)]
    assert recognize(a_zip("[Content_Types].xml", *others, "word/document.xml")) == WORD
