"""The body of DeleteObjects."""

from xml.etree.ElementTree import fromstring

from hypothesis import example, given
from hypothesis import strategies as st

from uploadsvc.s3.deletion import _NOT_IN_XML, deletion_body


@example(keys=["cr\rend", "line\r\nend", "tab\tand\nline"])
@given(keys=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1)))
def test_a_parser_reads_the_keys_that_were_written(keys: list[str]) -> None:
    """Ends of lines too, which XML's rules would change."""
    listed = [key for key in keys if not _NOT_IN_XML.search(key)]
    root = fromstring(deletion_body(listed))  # noqa: S314 - our own
    assert [one.text for one in root.findall(".//{*}Key")] == listed
