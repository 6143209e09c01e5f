"""Texts that try to break out of a key, and what a good key is."""

import unicodedata

from hypothesis import strategies as st

from uploadsvc.domain.keys import MAX_KEY_BYTES

# Any code point, lone surrogates included, and the pieces that attacks are made of.
HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *("a", "b", ".jpg", ".", "..", "/", "\\", "%2e%2e", "%2F", "${", "${filename}", "=2E", "="),
                *(" ", "~", "\0", "\r\n", "e\u0301", "é", "\ud800", "\udfff", "\u202e", "\ufeff", "\uffff"),
            ]
        ),
        st.text(st.characters(exclude_categories=()), max_size=8),
    ),
    max_size=8,
).map("".join)


def is_good(key: str) -> bool:
    """Whether every store, proxy and form reads a key alike."""
    segments = key.split("/")
    return (
        len(key.encode()) <= MAX_KEY_BYTES
        and not {"", ".", ".."} & set(segments)
        and "${" not in key
        and "\\" not in key
        and not any(unicodedata.category(c) in {"Cc", "Cs"} for c in key)
    )
