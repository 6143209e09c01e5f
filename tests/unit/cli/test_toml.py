"""What is written is what is read."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from uploadsvc.cli.toml import document

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = texts | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.lists(texts)
tables = st.recursive(
    st.dictionaries(texts, values, max_size=3),
    lambda inner: st.dictionaries(
        texts, values | inner | st.lists(inner, min_size=1, max_size=2), max_size=3
    ),
    max_leaves=8,
)


@given(tables)
def test_any_values_are_read_as_they_were(table: dict[str, Any]) -> None:
    """Whatever is in names and texts: quotes, controls, line ends."""
    assert tomllib.loads(document(table, {})) == table


def test_a_value_below_a_table_stays_at_the_top() -> None:
    """A comment stands above what it is about."""
    written = document({"s3": {"bucket": "b"}, "prefix": "p"}, {("prefix",): "Of keys.", ("s3",): "Store."})
    assert written == '# Of keys.\nprefix = "p"\n\n# Store.\n[s3]\nbucket = "b"\n'
