"""Every input of the fuzzers' corpus runs through its target, also where the fuzzer itself does not run."""

from pathlib import Path

import pytest
from fuzz.targets import CORPUS, TARGETS, inputs

INPUTS = {f"{target}/{path.name}": path for target in TARGETS for path in inputs(target)}


@pytest.mark.parametrize("path", INPUTS.values(), ids=INPUTS)
def test_nothing_is_wrong_with_an_input(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_every_target_has_inputs() -> None:
    assert sorted(TARGETS) == sorted(path.name for path in CORPUS.iterdir())
