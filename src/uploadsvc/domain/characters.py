"""Characters that filenames must not contain: controls, and those that hide or reorder others."""

import re
import unicodedata

_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})

# Persian, Hindi and emoji are misspelt without the zero-width joiner and non-joiner.
_JOINERS = "\u200c\u200d"
_VISIBLE = rf"[^\x00-\x7f{_JOINERS}]"
STRAY_JOINER = re.compile(rf"(?<!{_VISIBLE})[{_JOINERS}](?!{_VISIBLE})")
"""A joiner between ASCII characters, which can only make two names look the same."""

# Unassigned code points may be letters and emoji newer than Python's tables, but not these: noncharacters,
# and those reserved for invisible characters.
# https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point
_NEVER_VISIBLE = re.compile(
    "[\ufdd0-\ufdef\u2065\ufff0-\ufff8\U000e0000-\U000e0fff"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)


def is_unsafe(character: str) -> bool:
    """Return whether a character is not allowed in a filename. Joiners are; remove stray ones afterwards."""
    category = unicodedata.category(character)
    if category == "Cn":
        return _NEVER_VISIBLE.match(character) is not None
    return category in _UNSAFE_CATEGORIES and character not in _JOINERS
