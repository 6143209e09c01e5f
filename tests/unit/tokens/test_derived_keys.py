"""Each kind of signature has a key of its own, so that none passes for another."""

import re
from pathlib import Path

import uploadsvc

SOURCES = Path(uploadsvc.__file__).parent


def test_no_purpose_is_used_twice() -> None:
    """A delivery, for example, must not be what an object's claims are signed with."""
    calls = re.compile(r"derive_key\(\w+, \"([a-z-]+)\"")
    purposes = [name for source in SOURCES.rglob("*.py") for name in calls.findall(source.read_text())]
    assert {"delivery", "object", "upload"} <= set(purposes)
    assert len(set(purposes)) == len(purposes)
