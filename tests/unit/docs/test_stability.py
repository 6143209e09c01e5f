"""What docs/stability.md promises by name is there, until 2.0."""

import json
from typing import Final

import pytest
from tools.stable import FILE, surface

PROMISED: Final[dict[str, list[str]]] = json.loads(FILE.read_text(encoding="utf-8"))
FOUND: Final = surface()


@pytest.mark.parametrize("area", FOUND)
def test_what_was_released_stays(area: str) -> None:
    """Nothing is gone, nothing that could be left out is required, nothing that was always there is optional.

    Additions need no change here: `python -m tools.stable` writes the file anew at the next release.
    """
    assert set(PROMISED[area]) - set(FOUND[area]) == set()
